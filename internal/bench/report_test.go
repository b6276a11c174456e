package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// resultOf makes a run of ten seconds with plausible figures.
func resultOf(target string, writes float64) *Result {
	r := &Result{Target: target, Took: 10 * time.Second, Settled: time.Second, Writes: uint64(10 * writes), Rows: uint64(writes), CPU: time.Second}
	r.Options = Options{Database: "postgres://user:secret@localhost/game", Workload: "counters"}
	if err := r.Options.Complete(); err != nil {
		panic(err)
	}
	for i := range 10 {
		r.Samples = append(r.Samples, Sample{At: time.Duration(i+1) * time.Second, Writes: writes, Rows: writes / 10, CPU: 0.5, LagMax: time.Second})
		r.latency.add(time.Duration(i+1)*time.Millisecond, 100)
		r.lag.add(time.Second, 1)
	}
	r.Checks = []Check{{What: "hits <of> all", Want: 5, Have: 5}, {What: "events", Want: 5, Have: 4}}
	return r
}

func TestReportIsOneWellFormedPage(t *testing.T) {
	var out bytes.Buffer
	results := []*Result{resultOf("lull", 90_000), resultOf("direct", 8000)}
	if err := WriteReport(&out, results, time.Now()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(text, -1) {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
		}
	}
	if n := strings.Count(text, "<svg"); n != 6 {
		t.Errorf("%d plots, wanted 6", n)
	}
	for _, bad := range []string{"http://", "https://", "<script", "secret", "NaN", "Inf"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, want := range []string{"90,000", "direct 8,000 (11.2 ×)", "<b>wrong</b>", "WRONG: SQL has 4", "hits &lt;of&gt; all"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

func TestReportOfARunWithoutSamples(t *testing.T) {
	r := resultOf("lull", 100)
	r.Samples, r.Rows = nil, 0
	var out bytes.Buffer
	if err := WriteReport(&out, []*Result{r}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "<svg"); n != 1 {
		t.Errorf("%d plots, wanted that of the latencies", n)
	}
}
