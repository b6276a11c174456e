package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"io"

	"github.com/lullcache/lull/value"
)

// readConnector opens the connections that read.
type readConnector struct {
	sqldriver.Connector
	s *Sink
}

// Connect implements driver.Connector.
func (c *readConnector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	err = c.s.CheckFloor(func(query string, args []any, row func([]value.Value) error) error {
		return plainQuery(ctx, conn, query, args, row)
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// plainQuery runs a query on a connection of the driver's.
func plainQuery(ctx context.Context, conn sqldriver.Conn, query string, args []any, row func([]value.Value) error) error {
	q, ok := conn.(sqldriver.QueryerContext)
	if !ok {
		return errors.New("the driver takes no queries")
	}
	named := make([]sqldriver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = sqldriver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	rows, err := q.QueryContext(ctx, query, named)
	if err != nil {
		return err
	}
	defer rows.Close()
	raw := make([]sqldriver.Value, len(rows.Columns()))
	vals := make([]value.Value, len(raw))
	for {
		if err := rows.Next(raw); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for i := range raw {
			vals[i] = convert(nil, raw[i])
		}
		if err := row(vals); err != nil {
			return err
		}
	}
}
