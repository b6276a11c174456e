package compat

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reply is one answer, of either protocol.
type reply struct {
	kind  byte // the first byte on the wire
	text  string
	null  bool
	items []reply // of '*', '%', '~' and '>'; maps flat
}

// String writes a reply on one line, so that two can be compared.
func (r reply) String() string {
	var b strings.Builder
	r.write(&b)
	return b.String()
}

func (r reply) write(b *strings.Builder) {
	b.WriteByte(r.kind)
	switch {
	case r.null:
		b.WriteString("nil")
	case r.aggregate():
		b.WriteByte('[')
		for i, item := range r.items {
			if i > 0 {
				b.WriteByte(' ')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case r.kind == '$' || r.kind == '=':
		b.WriteString(strconv.Quote(r.text))
	default:
		b.WriteString(r.text)
	}
}

// equal reports whether two replies are the same in all.
func (r reply) equal(other reply) bool {
	return r.kind == other.kind && r.text == other.text && r.null == other.null && slices.EqualFunc(r.items, other.items, reply.equal)
}

func (r reply) aggregate() bool { return strings.IndexByte("*%~>", r.kind) >= 0 }

// sorted is the reply with the items, taken in groups of width, in the order of
// their texts.
func (r reply) sorted(width int) reply {
	if !r.aggregate() || len(r.items)%width != 0 {
		return r
	}
	groups := make([][]reply, 0, len(r.items)/width)
	for g := range slices.Chunk(r.items, width) {
		groups = append(groups, g)
	}
	slices.SortStableFunc(groups, func(a, b []reply) int { return strings.Compare(a[0].String(), b[0].String()) })
	r.items = slices.Concat(groups...)
	return r
}

// client is a connection that speaks the protocol and nothing more.
type client struct {
	t    testing.TB
	name string
	nc   net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	// broken is set where a connection may end, and then tells why it did.
	broken *error
}

func dial(t testing.TB, name, addr string, proto int) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := &client{t: t, name: name, nc: nc, in: bufio.NewReader(nc), out: bufio.NewWriter(nc)}
	t.Cleanup(func() { _ = nc.Close() })
	if r := c.do("HELLO", strconv.Itoa(proto)); r.kind == '-' {
		t.Fatalf("%s: HELLO %d: %s", name, proto, r)
	}
	return c
}

// do sends one command and reads its answer.
func (c *client) do(args ...string) reply {
	c.t.Helper()
	return c.pipe([][]string{args})[0]
}

// pipe sends commands together and reads their answers.
func (c *client) pipe(commands [][]string) []reply {
	c.t.Helper()
	c.send(commands)
	return c.receive(commands)
}

// send sends commands together.
func (c *client) send(commands [][]string) {
	c.t.Helper()
	if err := c.nc.SetDeadline(time.Now().Add(hangMax)); err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	head := func(kind byte, n int) {
		_ = c.out.WriteByte(kind) // an error comes again from Flush
		_, _ = c.out.WriteString(strconv.Itoa(n))
		_, _ = c.out.WriteString("\r\n")
	}
	for _, args := range commands {
		head('*', len(args))
		for _, a := range args {
			head('$', len(a))
			_, _ = c.out.WriteString(a)
			_, _ = c.out.WriteString("\r\n")
		}
	}
	if err := c.out.Flush(); err != nil && c.broken == nil { // else to be seen at receive
		c.t.Fatalf("%s: %v", c.name, err)
	}
}

// receive reads the answers to commands that were sent.
func (c *client) receive(commands [][]string) []reply {
	c.t.Helper()
	replies := make([]reply, len(commands))
	for i := range replies {
		var err error
		if replies[i], err = readReply(c.in); err != nil {
			if c.broken != nil {
				*c.broken = err
				return replies
			}
			c.t.Fatalf("%s: answer to %s: %v", c.name, line(commands[i]), err)
		}
	}
	return replies
}

func readReply(in *bufio.Reader) (reply, error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	head = strings.TrimSuffix(head, "\r\n")
	if head == "" {
		return reply{}, fmt.Errorf("an empty line")
	}
	r := reply{kind: head[0], text: head[1:]}
	switch r.kind {
	case '$', '=':
		return readBulk(in, r)
	case '*', '%', '~', '>':
		n, err := strconv.Atoi(r.text)
		if err != nil {
			return r, fmt.Errorf("head %q: %w", head, err)
		}
		r.text, r.null = "", n < 0
		if r.kind == '%' {
			n *= 2
		}
		for range max(n, 0) {
			item, err := readReply(in)
			if err != nil {
				return r, err
			}
			r.items = append(r.items, item)
		}
	case '_':
		r.null = true
	}
	return r, nil
}

func readBulk(in *bufio.Reader, r reply) (reply, error) {
	n, err := strconv.Atoi(r.text)
	if err != nil {
		return r, fmt.Errorf("bulk of %q bytes: %w", r.text, err)
	}
	if n < 0 {
		r.null, r.text = true, ""
		return r, nil
	}
	buf := make([]byte, n+2)
	if _, err := io.ReadFull(in, buf); err != nil {
		return r, err
	}
	r.text = string(buf[:n])
	return r, nil
}

// line shows a command as a script has it.
func line(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if a == "" || strings.ContainsAny(a, " \"'\\#@") || strconv.Quote(a) != `"`+a+`"` {
			words[i] = strconv.QuoteToASCII(a)
		}
		if len(words[i]) > 200 {
			words[i] = fmt.Sprintf("%s…(%d bytes)", words[i][:100], len(a))
		}
	}
	return strings.Join(words, " ")
}
