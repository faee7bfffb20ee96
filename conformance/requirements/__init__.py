"""What the RFCs require, rule by rule, and the tests that show it; ``python -m conformance.requirements`` runs them."""
