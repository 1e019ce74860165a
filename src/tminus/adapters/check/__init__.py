"""Asking many probes at their own pace, each within its limit. Must not know any one kind of probe."""
