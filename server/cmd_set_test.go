package server

import "testing"

// A count that a client may choose freely must not make the server gather an answer
// that it would never send.
func TestAnswersOfRandomElementsHaveALimit(t *testing.T) {
	c := dial(t, start(t, Options{ReplyMax: 4096}))
	const refused = "-ERR the answer would be longer than the reply buffer limit"
	c.ask("SADD s a", ":1")
	c.ask("SRANDMEMBER s -2", "*2 | $1 | a | $1 | a")
	c.ask("SRANDMEMBER s -9223372036854775807", refused)
	c.ask("SRANDMEMBER s -600", refused)
	c.ask("HSET h f v", ":1")
	c.ask("HRANDFIELD h -2", "*2 | $1 | f | $1 | f")
	c.ask("HRANDFIELD h -9223372036854775807", refused)
	c.ask("HRANDFIELD h -600", refused)
	c.ask("HRANDFIELD h -400 WITHVALUES", refused)
	c.ask("SRANDMEMBER s 9223372036854775807", "*1 | $1 | a")
}
