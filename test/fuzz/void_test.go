package fuzz

import (
	"context"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// void is a database that takes everything, and has nothing.
type void struct {
	own   *sqlsink.Own
	lane  sink.LaneState
	found bool
}

func newVoid() *void {
	text, number, bytes := sink.Type{Family: sink.Text, NUL: true}, sink.Type{Family: sink.Integer, Bits: 64}, sink.Type{Family: sink.Binary}
	return &void{own: sqlsink.NewOwn(sqlsink.OwnTypes{
		Name: text, Small: number, Big: number, Text: text, LongText: text, Key: bytes, StringKey: bytes, Bytes: bytes,
		Float: sink.Type{Family: sink.FloatNum, Bits: 64, Infinite: true},
		Stamp: sink.Type{Family: sink.TimestampTZ, Precision: 3, MinYear: 1, MaxYear: 9999},
	}, "", "", func(name string) string { return name })}
}

func (v *void) Dialect() string                  { return "void" }
func (v *void) Close() error                     { return nil }
func (v *void) OwnDDL() []string                 { return nil }
func (v *void) OwnTable(name string) *sink.Table { return v.own.Data(name) }
func (v *void) CreateOwn(context.Context) error  { return nil }
func (v *void) Seal(context.Context) error       { v.lane.Sealed = true; return nil }

func (v *void) Catalog(context.Context, []string) (*sink.Catalog, error) { return &sink.Catalog{}, nil }

func (v *void) Lane(context.Context, sink.LaneID) (sink.LaneState, bool, error) {
	return v.lane, v.found, nil
}

func (v *void) Claim(_ context.Context, c sink.Claim) (sink.LaneState, error) {
	if !v.found || c.Reset {
		v.lane.Mark = c.Mark
	}
	v.found, v.lane.LogID = true, c.LogID
	v.lane.Epoch++
	return v.lane, nil
}

func (v *void) Write(_ context.Context, b *sink.Batch) (sink.Result, error) {
	v.lane.Mark, v.lane.CatchingUp = b.To, b.CatchingUp
	return sink.Result{}, nil
}

func (v *void) Letters(context.Context, string) ([]sink.Letter, error) { return nil, nil }

func (v *void) Read(context.Context, []sink.Query, func(int, []value.Value) error) error { return nil }

func (v *void) Count(context.Context, *sink.Table, []int, []sink.Match, int64) (int64, bool, error) {
	return 0, true, nil
}
