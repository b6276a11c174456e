// Package failpoint names the places where the crash tests end the process or make
// it pause. A program built without the tag "failpoints" has none of it: there Hit
// is an empty function, and the names are not in the binary.
//
// With the tag, LULL_FAILPOINT=name:nth=kill ends the process with SIGKILL when the
// place is reached for the nth time, and LULL_FAILPOINT=name:nth=sleep makes
// whoever reaches it then wait for a second; =slow makes each wait for 40 ms from then
// on; =stop stops the process (SIGSTOP) until somebody else lets it go on. Several are
// separated by commas.
package failpoint

// Point is a place. It is a constant, so that a program without failpoints does
// not hold its text.
type Point string

// The places, in the order of a write's way.
const (
	BeforeAppend  Point = "failpoint-append-before"  // the changes are worked out, nothing of them is in the log
	AfterAppend   Point = "failpoint-append-after"   // in the log, not yet in the dirty set
	BeforeSegment Point = "failpoint-segment-before" // the log's segment is full, the next not begun
	AfterSegment  Point = "failpoint-segment-after"  // the next is begun, and empty
	BeforeSync    Point = "failpoint-sync-before"    // about to sync the log
	AfterSync     Point = "failpoint-sync-after"     // synced, nobody is told
	BeforeAck     Point = "failpoint-ack-before"     // as safe as the answer says, which is not sent
	AfterAck      Point = "failpoint-ack-after"      // the answer is sent
	BeforeCut     Point = "failpoint-cut-before"     // a flush is due, the dirty set not yet taken
	AfterCut      Point = "failpoint-cut-after"      // taken, nothing sent
	Begun         Point = "failpoint-flush-begun"    // the SQL transaction is open
	MarkWritten   Point = "failpoint-flush-mark"     // it holds the watermark
	RowsWritten   Point = "failpoint-flush-rows"     // it holds all rows too
	BeforeCommit  Point = "failpoint-commit-before"  // letters are in, constraints checked
	AfterCommit   Point = "failpoint-commit-after"   // committed, and only the database knows
	AfterSettle   Point = "failpoint-settled"        // the log and the memory know too
	Folding       Point = "failpoint-folding"        // a checkpoint is in the log but for its end
	BeforeTrim    Point = "failpoint-trim-before"    // a segment has left the chain, its file is there
	AfterTrim     Point = "failpoint-trim-after"     // the file is emptied under another name, or gone
	Claimed       Point = "failpoint-claimed"        // a start has taken the lane, and has not read the log
)

// All returns all places, in their order.
func All() []Point {
	return []Point{
		BeforeAppend, AfterAppend, BeforeSegment, AfterSegment, BeforeSync, AfterSync, BeforeAck, AfterAck, BeforeCut, AfterCut,
		Begun, MarkWritten, RowsWritten, BeforeCommit, AfterCommit, AfterSettle, Folding, BeforeTrim, AfterTrim, Claimed,
	}
}
