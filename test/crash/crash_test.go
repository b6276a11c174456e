// Package crash kills Lull in the middle of load, again and again, and its databases
// too, and reads back what is left: with the real binary, real databases and a Redis
// client that never sends a command twice.
//
// Each client knows of every command whether it was answered, and so which values
// a key may have. A number that an answered command is missing from is lost, one that
// is larger than all that was sent is doubled; an item that nobody sent is invented.
// Between that, a counter has to be what the first so many commands of a connection
// give. All the time a reader polls SQL: transfers keep their total in each committed
// state, and of two writes the later is never there without the earlier; else the
// state is torn.
package crash

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/lullcache/lull/internal/proof"
)

var (
	kills      = flag.Int("kills", 60, "how often Lull is killed on each database")
	seed       = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of everything that is random")
	logs       = flag.String("logs", "", "a folder for what the servers say")
	raceServer = flag.Bool("race-server", false, "build the server with the race detector")
)

// binaries is the folder that the servers are built in.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	logging.Disable() // of the client: that it is cut off is no news here
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if binaries, err = os.MkdirTemp("", "lull-crash-"); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		return 1
	}
	defer os.RemoveAll(binaries)
	code := m.Run()
	fmt.Printf("seed %d (again: -seed=%d)\n", *seed, *seed)
	proof.Print(os.Stdout)
	return code
}
