// Package trouble breaks databases, and the way to them, under running engines, and
// counts what became of what was acknowledged: connections cut after every byte,
// outages of all kinds, full limits, refused rows, changed schemas, databases that
// went back in time, and other programs that write the same rows.
//
// The short forms are a part of "make test"; the flags make the long ones, which
// "make trouble" runs.
package trouble

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/proof"
)

var (
	cuts      = flag.Int("cuts", 300, "how often a flush is cut short, on each database")
	kills     = flag.Int("kills", 3, "how often each database is killed in mid-flush")
	outage    = flag.Duration("outage", time.Second, "how long each outage lasts")
	pressure  = flag.Duration("pressure", 2*time.Second, "how long writers outrun a slow database, and others write the same rows")
	simulated = flag.Duration("simulated", time.Minute, "how long an outage in simulated time lasts")
	seed      = flag.Uint64("seed", rand.Uint64(), "of everything that is random")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	code := m.Run()
	proof.Print(os.Stdout)
	fmt.Printf("seed %d (again: -seed=%d)\n", *seed, *seed)
	os.Exit(code)
}
