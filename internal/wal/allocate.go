package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/fsys"
)

// allocate makes a segment full of zeros that is on the disk, with its name, from
// old if that is not nil. Under its own name there is never anything but zeros until
// it is used.
func (l *Log) allocate(old *segment) (*segment, error) {
	temp := tempName(l.o.Dir)
	file, err := l.openTemp(temp, old)
	if err != nil {
		return nil, err
	}
	s, err := l.fill(file)
	if err == nil {
		if err = l.fs.Rename(temp, s.name); err != nil && !isNoSpace(err) {
			err = fmt.Errorf("%w: %w", errNames, err)
		}
	}
	if err != nil {
		file.Close()
		l.fs.Remove(temp) // the next attempt begins with that too
		return nil, fmt.Errorf("allocate a segment: %w", err)
	}
	if err := l.fs.SyncDir(l.o.Dir); err != nil {
		file.Close()
		return nil, fmt.Errorf("%w: allocate a segment: %w", errNames, err)
	}
	return s, nil
}

func (l *Log) openTemp(temp string, old *segment) (fsys.File, error) {
	if old == nil {
		if err := l.fs.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("allocate a segment: %w", err)
		}
		file, err := l.fs.Create(temp)
		if err != nil {
			return nil, fmt.Errorf("allocate a segment: %w", err)
		}
		return file, nil
	}
	failpoint.Hit(failpoint.BeforeTrim)
	err := l.fs.Rename(old.name, temp)
	if err == nil {
		err = l.fs.SyncDir(l.o.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: recycle %s: %w", errNames, old.name, err)
	}
	failpoint.Hit(failpoint.AfterTrim)
	return l.fs.Open(temp)
}

// zeroesPerSync bounds what a commit's sync may have to queue behind.
const zeroesPerSync = 8 << 20

// fill makes a file of zeros of it and gives it the next number.
func (l *Log) fill(file fsys.File) (*segment, error) {
	size := l.o.SegmentBytes
	if err := file.Allocate(size); err != nil {
		return nil, err
	}
	for off := int64(0); off < size; {
		if l.open.Err() != nil {
			return nil, errQuit
		}
		n := min(int64(len(zeros)), size-off)
		if _, err := file.WriteAt(zeros[:n], off); err != nil {
			return nil, err
		}
		if off += n; off%zeroesPerSync == 0 || off == size {
			if err := file.Sync(); err != nil {
				return nil, err
			}
		}
	}
	l.nextNumber++
	return l.newSegment(l.nextNumber-1, file)
}

func (l *Log) newSegment(num uint64, file fsys.File) (*segment, error) {
	s := &segment{file: file, seed: seedOf(l.id, num)}
	s.num, s.size, s.fileSize = num, l.o.SegmentBytes, l.o.SegmentBytes
	s.name = segmentName(l.o.Dir, num)
	var err error
	if s.mem, err = file.Map(); err != nil && !errors.Is(err, fsys.ErrNoMap) {
		return nil, err
	}
	return s, nil
}

func tempName(dir string) string { return filepath.Join(dir, "allocating"+tempSuffix) }
