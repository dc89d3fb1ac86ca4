"""Where the master keys are kept: a file, AWS Secrets Manager, or HashiCorp Vault."""
