package resp

import (
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/lullcache/lull/value"
)

// Writer gathers replies in one buffer. The zero Writer writes RESP2. The methods
// named after a type write that type, or what RESP2 has for it.
type Writer struct {
	buf   []byte
	three bool
	most  int
	// over is where in buf the first value was left out, plus one; 0: none was.
	over int
	// lent is where buf came from, if from lenders; wants says to borrow one again.
	lent  *[]byte
	wants bool
}

// lenders are buffers for long replies. Who sends many has them in turn with others and
// makes none; who sends none holds none.
var lenders = sync.Pool{New: func() any { return new([]byte) }}

// lenderMax is the longest buffer that is lent again.
const lenderMax = 4 << 20

// SetLimit bounds the buffer: a string that would make it longer than most bytes is
// left out, with a null in its place, and Over says so. 0: no bound.
func (w *Writer) SetLimit(most int) { w.most = most }

// Over reports whether replies are incomplete, because of the limit.
func (w *Writer) Over() bool { return w.over > 0 }

// fits makes room for a string of n bytes, or leaves it out.
func (w *Writer) fits(n int) bool {
	if w.most == 0 || len(w.buf)+n <= w.most {
		return true
	}
	if w.over == 0 {
		w.over = len(w.buf) + 1
	}
	w.Null()
	return false
}

// SetVersion chooses the protocol version, 2 or 3.
func (w *Writer) SetVersion(v int) { w.three = v == 3 }

// Version returns the protocol version, 2 or 3.
func (w *Writer) Version() int {
	if w.three {
		return 3
	}
	return 2
}

// Bytes returns what was written, valid until the next write.
func (w *Writer) Bytes() []byte { return w.buf }

// Len returns the bytes written. With Truncate it marks a place to go back to.
func (w *Writer) Len() int { return len(w.buf) }

// Truncate forgets what was written after Len was n.
func (w *Writer) Truncate(n int) {
	w.buf = w.buf[:n]
	if n < w.over {
		w.over = 0
	}
}

// Ready comes before the first reply after Reset.
func (w *Writer) Ready() {
	if w.wants && cap(w.buf) == 0 {
		w.lent = lenders.Get().(*[]byte)
		w.buf = (*w.lent)[:0]
	}
}

// Reset forgets everything, and gives back a buffer larger than keep bytes.
func (w *Writer) Reset(keep int) {
	w.over, w.wants = 0, len(w.buf) > keep
	if cap(w.buf) <= keep && w.lent == nil {
		w.buf = w.buf[:0]
		return
	}
	if w.lent == nil {
		w.lent = new([]byte)
	}
	if cap(w.buf) <= lenderMax {
		*w.lent = w.buf
		lenders.Put(w.lent)
	}
	w.buf, w.lent = nil, nil
}

// Cap returns the bytes of memory that the buffer takes.
func (w *Writer) Cap() int { return cap(w.buf) }

// Append writes replies that are encoded already.
func (w *Writer) Append(replies []byte) { w.buf = append(w.buf, replies...) }

// Simple writes a simple string; s must not hold line ends.
func (w *Writer) Simple(s string) {
	w.buf = append(append(append(w.buf, '+'), s...), '\r', '\n')
}

// Error writes an error: code is its first word, such as "ERR". Line ends in text
// become spaces.
func (w *Writer) Error(code, text string) {
	text = strings.TrimRight(text, "\r\n")
	w.buf = append(append(append(w.buf, '-'), code...), ' ')
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		w.buf = append(w.buf, c)
	}
	w.buf = append(w.buf, '\r', '\n')
}

// Int writes an integer.
func (w *Writer) Int(n int64) {
	if 0 <= n && n <= 9 {
		w.buf = append(w.buf, ':', byte('0'+n), '\r', '\n')
		return
	}
	w.buf = append(strconv.AppendInt(append(w.buf, ':'), n, 10), '\r', '\n')
}

// Bulk writes a bulk string.
func (w *Writer) Bulk(b []byte) {
	if !w.fits(len(b)) {
		return
	}
	w.head('$', len(b))
	w.buf = append(append(w.buf, b...), '\r', '\n')
}

// BulkString writes a bulk string.
func (w *Writer) BulkString(s string) {
	if !w.fits(len(s)) {
		return
	}
	w.head('$', len(s))
	w.buf = append(append(w.buf, s...), '\r', '\n')
}

// BulkInt writes an integer as a bulk string.
func (w *Writer) BulkInt(n int64) {
	var text [20]byte
	w.Bulk(strconv.AppendInt(text[:0], n, 10))
}

// Null writes the null that stands for a missing value.
func (w *Writer) Null() {
	if w.three {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = append(w.buf, "$-1\r\n"...)
}

// NullArray writes the null that stands for a missing array.
func (w *Writer) NullArray() {
	if w.three {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = append(w.buf, "*-1\r\n"...)
}

// Array begins an array of n replies.
func (w *Writer) Array(n int) { w.head('*', n) }

// Map begins a map of n pairs; for RESP2 an array of 2n replies.
func (w *Writer) Map(n int) {
	if w.three {
		w.head('%', n)
		return
	}
	w.head('*', 2*n)
}

// Set begins a set of n replies; for RESP2 an array.
func (w *Writer) Set(n int) { w.either('~', n) }

// Push begins a message of n replies that answers nothing; for RESP2 an array.
func (w *Writer) Push(n int) { w.either('>', n) }

func (w *Writer) either(three byte, n int) {
	if !w.three {
		three = '*'
	}
	w.head(three, n)
}

// Double writes a floating-point number; for RESP2 a bulk string.
func (w *Writer) Double(f float64) {
	if w.three {
		w.buf = append(AppendDouble(append(w.buf, ','), f), '\r', '\n')
		return
	}
	var text [32]byte
	w.Bulk(AppendDouble(text[:0], f))
}

// Bool writes a truth value; for RESP2 the integer 1 or 0.
func (w *Writer) Bool(b bool) {
	switch {
	case w.three && b:
		w.buf = append(w.buf, "#t\r\n"...)
	case w.three:
		w.buf = append(w.buf, "#f\r\n"...)
	case b:
		w.Int(1)
	default:
		w.Int(0)
	}
}

// Verbatim writes text for people: format is three letters, "txt" or "mkd". For
// RESP2 a bulk string.
func (w *Writer) Verbatim(format, text string) {
	if !w.three {
		w.BulkString(text)
		return
	}
	w.head('=', len(format)+1+len(text))
	w.buf = append(append(w.buf, format...), ':')
	w.buf = append(append(w.buf, text...), '\r', '\n')
}

// BigNumber writes an integer of any size, given as decimal digits; for RESP2 a
// bulk string.
func (w *Writer) BigNumber(digits string) {
	if !w.three {
		w.BulkString(digits)
		return
	}
	w.buf = append(append(append(w.buf, '('), digits...), '\r', '\n')
}

func (w *Writer) head(kind byte, n int) {
	if 0 <= n && n <= 9 {
		w.buf = append(w.buf, kind, byte('0'+n), '\r', '\n')
		return
	}
	w.buf = append(strconv.AppendInt(append(w.buf, kind), int64(n), 10), '\r', '\n')
}

// AppendDouble appends f as Redis 7.0 shows scores: as value.AppendFloat, with the
// sign of a zero.
func AppendDouble(dst []byte, f float64) []byte {
	if f == 0 && math.Signbit(f) {
		return append(dst, "-0"...)
	}
	return value.AppendFloat(dst, f)
}
