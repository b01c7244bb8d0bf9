"""Trading: from an intent to orders, fills, positions and money. Quantities, prices and money are Decimal."""
