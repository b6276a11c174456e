package keyspace

// Completed in the files of the types, which follow.

func (h *Hash) Bytes() int64   { return 0 }
func (h *Hash) Len() int       { return 0 }
func (s *Set) Bytes() int64    { return 0 }
func (s *Set) Len() int        { return 0 }
func (z *ZSet) Bytes() int64   { return 0 }
func (z *ZSet) Len() int       { return 0 }
func (l *List) Bytes() int64   { return 0 }
func (l *List) Len() int       { return 0 }
func (s *Stream) Bytes() int64 { return 0 }
func (s *Stream) Len() int     { return 0 }
func NewList() *List           { return &List{Entry{form: formList}} }
func NewStream() *Stream       { return &Stream{Entry{form: formStream}} }
