package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// optionSet is a subcommand's options.
type optionSet struct {
	*flag.FlagSet
	about string
}

func newOptionSet(name, about string) *optionSet {
	o := &optionSet{flag.NewFlagSet("lull "+name, flag.ContinueOnError), about}
	o.SetOutput(io.Discard) // errors are told once, by report
	return o
}

// parse parses a subcommand's options, which take no arguments. -h describes them.
func (o *optionSet) parse(args []string) error {
	err := o.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Printf("usage: %s [options]\n\n%s\n\noptions:\n", o.Name(), o.about)
		o.SetOutput(os.Stdout)
		o.PrintDefaults()
		return err
	case err != nil:
		return &usageError{fmt.Sprintf("%s: %v; %s -h lists the options", o.Name(), err, o.Name())}
	case o.NArg() > 0:
		return &usageError{fmt.Sprintf("%s: takes no argument %q", o.Name(), o.Arg(0))}
	}
	return nil
}
