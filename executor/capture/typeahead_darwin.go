package capture

// unread is not to be had here.
func unread(int) []byte { return nil }

func typeInto(int, byte) bool { return false }

func typedAhead(int) int { return 0 } // nothing stands for the end of input there
