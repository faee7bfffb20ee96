"""The cluster's objects as operators write them: kinds, fields and rules, old YAML, what a write keeps, tables."""
