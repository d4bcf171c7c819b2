package spec

import (
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// document is an image.yaml as it is written.
type document struct {
	Name         string            `yaml:"name"`
	Summary      string            `yaml:"summary"`
	UseCases     []string          `yaml:"use-cases"`
	Kickstart    string            `yaml:"kickstart"`
	ImageRelease literal           `yaml:"image-release"`
	Releases     []releaseDocument `yaml:"releases"`
	Arches       []string          `yaml:"arches"`
	Vars         map[string]any    `yaml:"vars"`
	Keys         []keyDocument     `yaml:"keys"`
	Koji         *string           `yaml:"koji"`
	Formats      []string          `yaml:"formats"`
	Budget       map[string]string `yaml:"budget"`
	Scripts      scriptsDocument   `yaml:"scripts"`
	Smoke        smokeDocument     `yaml:"smoke"`
	Publish      map[string]any    `yaml:"publish"`
}

type releaseDocument struct {
	Version literal        `yaml:"version"`
	Syntax  string         `yaml:"syntax"`
	Arches  []string       `yaml:"arches"`
	Vars    map[string]any `yaml:"vars"`
	Keys    []keyDocument  `yaml:"keys"`
}

type keyDocument struct {
	URL          string   `yaml:"url"`
	File         string   `yaml:"file"`
	Fingerprint  string   `yaml:"fingerprint"`
	Repositories []string `yaml:"repositories"`
}

type scriptsDocument struct {
	Network bool   `yaml:"network"`
	Space   string `yaml:"space"`
	Timeout string `yaml:"timeout"`
}

type smokeDocument struct {
	User     string         `yaml:"user"`
	Firmware []string       `yaml:"firmware"`
	Memory   string         `yaml:"memory"`
	Tests    []testDocument `yaml:"tests"`
	Skip     []string       `yaml:"skip"`
}

type testDocument struct {
	Name     string `yaml:"name"`
	Command  string `yaml:"command"`
	Exit     int    `yaml:"exit"`
	Stdout   string `yaml:"stdout"`
	Timeout  string `yaml:"timeout"`
	Severity string `yaml:"severity"`
}

// A literal is a string that may be written like a number, of which every
// digit counts: 43, 10.10, 20261121.0.
type literal string

// UnmarshalYAML takes a scalar as it is written.
func (l *literal) UnmarshalYAML(node ast.Node) error {
	switch n := node.(type) {
	case *ast.StringNode:
		*l = literal(n.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		*l = literal(n.GetToken().Value)
	default:
		return &yaml.UnexpectedNodeTypeError{Actual: node.Type(), Expected: ast.StringType, Token: node.GetToken()}
	}
	return nil
}
