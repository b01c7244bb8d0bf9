"""The functions of the rule language, by family; the registry collects every `Function` these modules define."""
