"""What keeps a store in order: its facts, what is set aside or left over, and which sets are whole."""
