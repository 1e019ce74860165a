"""Jobs as subprocesses that outlive whoever started them. Must not know what a work does."""
