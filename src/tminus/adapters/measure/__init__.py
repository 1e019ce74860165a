"""Asking many sources of metrics at their own pace. Must not know any one kind of source."""
