package ec2fake

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// shapesText says which operations there are and what their requests hold: a
// line for each operation, SERVICE NAME METHOD PATH, and an indented one for
// each member of its request: its name on the wire (N stands for a list's
// index), its type, where it stands unless that is the body, and what its
// value must be. A test writes it from AWS's API models.
//
//go:embed shapes.txt
var shapesText string

// An operation is one of an API.
type operation struct {
	service, name, method, path string
	shapes                      map[string]shape
}

// A shape is a member of a request that holds a value.
type shape struct {
	kind     string // as the models name types
	where    string // "header", "uri", "querystring", "payload"; empty for the body
	required bool
	min, max int64 // of the value or the length; max 0 is no limit
	pattern  *regexp.Regexp
	enum     []string
}

// operations are all, by "SERVICE NAME".
var operations = sync.OnceValue(func() map[string]*operation {
	all := map[string]*operation{}
	var op *operation
	for line := range strings.Lines(shapesText) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "\t") {
			op = &operation{words[0], words[1], words[2], words[3], map[string]shape{}}
			all[op.service+" "+op.name] = op
			continue
		}
		op.shapes[words[0]] = parseShape(words[1], words[2:])
	}
	return all
})

func parseShape(kind string, words []string) shape {
	s := shape{kind: kind}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "required":
			s.required = true
		case "min":
			s.min, _ = strconv.ParseInt(value, 10, 64)
		case "max":
			s.max, _ = strconv.ParseInt(value, 10, 64)
		case "pattern":
			s.pattern = regexp.MustCompile(value)
		case "enum":
			s.enum = strings.Split(value, ",")
		default:
			s.where = name
		}
	}
	return s
}

// A violation is a request that does not have the shape it should.
type violation struct {
	kind string // "unknown", "missing", "invalid"
	name string // of the member
	text string
}

var index = regexp.MustCompile(`\.[1-9][0-9]*(\.|$)`)

// check holds the values of a request against the operation's shapes.
func (op *operation) check(values map[string]string) *violation {
	given := map[string]bool{}
	for name, value := range values {
		path := name
		for index.MatchString(path) {
			path = index.ReplaceAllString(path, ".N$1")
		}
		given[path] = true
		s, ok := op.shapes[path]
		if !ok {
			return &violation{"unknown", name, fmt.Sprintf("The parameter %s is not recognized", name)}
		}
		if why := s.refuse(value); why != "" {
			return &violation{"invalid", name, fmt.Sprintf("Value (%.100s) for parameter %s is invalid. %s", value, name, why)}
		}
	}
	for name, s := range op.shapes {
		// What is required within a list's element or a structure is required where that is there.
		if s.required && s.where != "payload" && !given[name] && (!strings.Contains(strings.TrimSuffix(name, ".N"), ".")) {
			return &violation{"missing", name, fmt.Sprintf("The request must contain the parameter %s", strings.TrimSuffix(name, ".N"))}
		}
	}
	return nil
}

// refuse returns why a value is none of the shape; empty if it is one.
func (s shape) refuse(value string) string {
	size := int64(len(value))
	switch s.kind {
	case "integer", "long":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "It is not a number."
		}
		size = n
	case "boolean":
		if value != "true" && value != "false" {
			return "It is neither true nor false."
		}
	}
	switch {
	case s.enum != nil && !slices.Contains(s.enum, value):
		return "It is none of " + strings.Join(s.enum, ", ") + "."
	case size < s.min:
		return fmt.Sprintf("The minimum is %d.", s.min)
	case s.max != 0 && size > s.max:
		return fmt.Sprintf("The maximum is %d.", s.max)
	case s.pattern != nil && !s.pattern.MatchString(value):
		return "It does not match " + s.pattern.String() + "."
	}
	return ""
}
