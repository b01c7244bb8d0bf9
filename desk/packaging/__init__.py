"""What is uploaded to AWS Lambda: one zip per group of functions, with the code and the wheels the group needs."""
