"""Churn: a cluster of namespaces that follows an etcd which changes at random, held against a model of its own.

What must hold whenever all has settled is in ``checks``; what the model rests on are etcd's keys and the routes of the
containers alone (``world``, ``sessions``, ``routes``), none of it bgpd's own code.
"""
