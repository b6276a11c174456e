package change

import "errors"

// What may be wrong with a record.
var (
	// ErrUnknownType: the record's type is not known to this version. The message
	// names it.
	ErrUnknownType = errors.New("unknown record type")
	// ErrDamaged: the record is not what its type says it should be.
	ErrDamaged = errors.New("damaged record")
)
