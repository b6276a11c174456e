//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pause is how long "sleep" takes, and slow how long "slow" does each time.
const (
	pause = time.Second
	slow  = 40 * time.Millisecond
)

// armed is a place at which something is to happen.
type armed struct {
	left   atomic.Int64 // how often it has to be reached still
	action func()
	always bool // from then on, each time
}

var points = sync.OnceValue(func() map[Point]*armed { return parse(os.Getenv("LULL_FAILPOINT")) })

// Hit does what the environment asks for at p.
func Hit(p Point) {
	a := points()[p]
	if a == nil {
		return
	}
	if left := a.left.Add(-1); left == 0 || left < 0 && a.always {
		a.action()
	}
}

// parse reads "name:nth=kill,name:nth=sleep" and the like. A mistake in it must not pass for a
// place that is never reached, so it panics.
func parse(text string) map[Point]*armed {
	all := map[Point]*armed{}
	for _, one := range strings.Split(text, ",") {
		if one == "" {
			continue
		}
		place, action, _ := strings.Cut(one, "=")
		name, nth, _ := strings.Cut(place, ":")
		n, err := strconv.ParseInt(nth, 10, 64)
		if err != nil || n < 1 || !known(Point(name)) {
			panic(fmt.Sprintf("LULL_FAILPOINT: %q: want name:nth=kill, =sleep, =slow or =stop, and a name of %v", one, All()))
		}
		a := &armed{}
		a.left.Store(n)
		switch action {
		case "kill":
			a.action = kill
		case "sleep":
			a.action = func() { time.Sleep(pause) }
		case "slow":
			a.action, a.always = func() { time.Sleep(slow) }, true
		case "stop":
			a.action = stop
		default:
			panic(fmt.Sprintf("LULL_FAILPOINT: %q: there is no action %q", one, action))
		}
		all[Point(name)] = a
	}
	return all
}

func known(p Point) bool {
	for _, q := range All() {
		if p == q {
			return true
		}
	}
	return false
}

// kill ends the process as kill -9 from outside would; nothing after it runs.
func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// stop stops the process as kill -STOP from outside would. Another thread may take the
// signal, and late: whoever is here goes on only when the process is let go on.
func stop() {
	goOn := make(chan os.Signal, 1)
	signal.Notify(goOn, syscall.SIGCONT)
	defer signal.Stop(goOn)
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	<-goOn
}
