package wal

import (
	"errors"
	"fmt"
)

// Opening.
var (
	// ErrDamaged: something that was durable is not as it was written. Always in a
	// *DamageError.
	ErrDamaged = errors.New("log is damaged")
	// ErrVersion: a newer program wrote this log. Always in a *VersionError.
	ErrVersion = errors.New("log has a format of another version")
)

// Appending.
var (
	// ErrFull: no segment is allocated ahead, because the limit is reached, the
	// disk is full, or the disk is slower than the writers. It passes by itself:
	// WaitRoom.
	ErrFull = errors.New("log is full")
	// ErrFailed: the disk failed under the log. It does not pass; nothing more can
	// be appended in this process, and what was not synced may be lost.
	ErrFailed = errors.New("log has failed")
	// ErrTooLarge: the record is larger than 1 GiB, or than MaxBytes allows.
	ErrTooLarge = errors.New("record is too large for the log")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("log is closed")
	// ErrNotStarted: Append and its like before Start.
	ErrNotStarted = errors.New("log is not started")
)

// Reading.
var (
	// ErrTrimmed: replay was asked from before what is kept.
	ErrTrimmed = errors.New("log is kept from a later position only")
	// ErrBeyond: a position that the log has not reached.
	ErrBeyond = errors.New("position is beyond the end of the log")
)

// DamageError says which bytes are not as they were when they were synced.
type DamageError struct {
	File   string
	Offset int64 // in the file, of the first frame that is not right
	Why    string

	cause damageCause
	at    stop // for damageFrame and damageFollower
}

// damageCause tells Repair what to do.
type damageCause int

const (
	damageFrame    damageCause = iota // a frame is not right
	damageHeader                      // both headers of the file are broken
	damageFollower                    // the segment after the file cannot be found
	damageForeign                     // the file is of another log
)

func (e *DamageError) Error() string {
	return fmt.Sprintf("log is damaged: %s at offset %d: %s, and this had reached the disk before; "+
		"look with `lull log verify`; `lull log repair` keeps every intact record and says what is lost",
		e.File, e.Offset, e.Why)
}

// Unwrap returns ErrDamaged.
func (e *DamageError) Unwrap() error { return ErrDamaged }

// VersionError says which version of the format a segment needs.
type VersionError struct {
	File string
	Got  uint32 // of the file
	Want uint32 // of this program
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("log segment %s has format version %d, this program knows version %d: "+
		"run a version of lull that knows log format %d", e.File, e.Got, e.Want, e.Got)
}

// Unwrap returns ErrVersion.
func (e *VersionError) Unwrap() error { return ErrVersion }
