"""The logs of the inspector: where they come from, how they are kept, searched, summed up and written as HAR."""
