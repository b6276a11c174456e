package lull

// IsMiss reports whether err says that a unit needs a key which is not in memory.
// Exec loads the key and runs the unit again. A Runner that returns another error
// instead gets it back from Exec, and may Prefetch what it needs before the next
// Exec, together with keys of units to come.
func IsMiss(err error) bool { return err == errMiss }
