"""Wake functions as AWS would: what `serverless.yml` says is what happens, on one machine."""
