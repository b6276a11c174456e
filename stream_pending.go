package lull

import (
	"errors"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// Replaced by the file of the stream operations.

func (db *DB) buildStream(*keyspace.Entry, *loadKey, *mapping.Table, []value.Value, *image) error {
	return errors.New("streams are not loaded yet")
}

func (tx *Tx) duplicateStream(src, dst *handle) { panic("streams are not copied yet") }
