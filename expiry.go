package lull

import (
	"errors"
	"fmt"

	"github.com/lullcache/lull/internal/mapping"
)

// ErrExpiryRange: no database could keep the time.
var ErrExpiryRange = errors.New("invalid expire time")

// expiryMax is the last ms of the year 9999, beyond which no database has times.
const expiryMax = 253_402_300_799_999

// expiryFor checks that a key may expire at a time, ms since 1970 and not 0, and
// returns the time as the key's table keeps it: columns may know no fractions of
// seconds. The error names the setting that is missing.
func expiryFor(h *handle, at int64) (int64, error) {
	if at > expiryMax && h.t != nil {
		return 0, fmt.Errorf("%w: %d ms since 1970 is after the year 9999", ErrExpiryRange, at)
	}
	if !h.mapped() {
		return at, nil
	}
	if err := canExpire(h.t); err != nil || h.t.Expires < 0 {
		return at, err
	}
	c := &h.t.Cells[h.t.Expires]
	v, err := c.Time(at)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrExpiryRange, err)
	}
	return cellTime(c, v), nil
}

func canExpire(t *mapping.Table) error {
	switch t.Spec.OnExpire {
	case "delete", "evict":
		return nil
	}
	return fmt.Errorf("%w: table %s does not say what expiry means; set tables.%s.on_expire to delete (with expires) or evict", ErrNoExpiry, t.Name, t.Name)
}
