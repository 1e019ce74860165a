"""The journal in an SQL database, through SQLAlchemy Core.

What differs between databases (locking, durability, error codes) lives in one module per database;
everything else is shared. Rows and SQLAlchemy objects never leave this package.
"""
