package keyspace

// Completed in the files of the types, which follow.

func (s *Stream) Bytes() int64 { return 0 }
func (s *Stream) Len() int     { return 0 }
func NewStream() *Stream       { return &Stream{Entry{form: formStream}} }
