"""Accounts, payments and a dashboard, as a service to launch."""
