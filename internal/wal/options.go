package wal

import (
	"errors"
	"fmt"
	"time"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/world"
)

// Options say where and how large a log is. Zero values mean what each field says.
type Options struct {
	FS  fsys.FS // nil: the operating system's
	Dir string  // made by Start if it is not there

	// SegmentBytes is the size of a new segment, a multiple of 4096 between 4 KiB
	// and 2 GiB. 0: 64 MiB.
	SegmentBytes int64
	// MaxBytes limits all segments together, those allocated ahead included. It
	// must have room for three. 0: no limit.
	MaxBytes int64
	// RetainBytes and RetainAge keep log after it was trimmed. Whichever is
	// reached first lets go, so that 0 in either keeps none.
	RetainBytes int64
	RetainAge   time.Duration
	// SyncEvery is how often the log is synced when nobody waits for it. 0: 1 s.
	SyncEvery time.Duration
	// ID names a new log, by 32 hexadecimal digits. An existing log keeps its own.
	// Empty: a random one.
	ID string
	// Preamble appends to dst the record that begins each new segment. It is called
	// within Append and must neither block nor call the log. nil: there is none.
	Preamble func(dst []byte) []byte
	// World is the clock and what runs beside. nil: the machine's.
	World world.World
	// OnEvent is told what happens in the background. It must not call Close. nil:
	// nobody is told.
	OnEvent func(Event)
}

const (
	segmentBytesDefault = 64 << 20
	syncEveryDefault    = time.Second
	segmentsAhead       = 2
	segmentsLeast       = segmentsAhead + 1
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = fsys.OS{}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytesDefault
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = syncEveryDefault
	}
	if o.World == nil {
		o.World = world.Real{}
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("log directory: want a path, got none"))
	}
	if o.SegmentBytes < segmentBytesMin || o.SegmentBytes > segmentBytesMax || o.SegmentBytes%4096 != 0 {
		errs = append(errs, fmt.Errorf("log segment of %d bytes: want a multiple of 4096 from %d to %d",
			o.SegmentBytes, segmentBytesMin, int64(segmentBytesMax)))
	}
	if o.MaxBytes != 0 && o.MaxBytes < segmentsLeast*o.SegmentBytes {
		errs = append(errs, fmt.Errorf("log limit of %d bytes: want at least %d, which is %d segments",
			o.MaxBytes, segmentsLeast*o.SegmentBytes, segmentsLeast))
	}
	if o.ID != "" {
		if _, err := parseLogID(o.ID); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
