package ec2fake

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write shapes.txt anew from the models in RESPIN_CORPUS")

// models are the services that the fake has, by folder and version of AWS's API models.
var models = []struct {
	service, file string
	operations    []string
}{
	{"ebs", "ebs/2019-11-02", []string{"StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "GetSnapshotBlock", "ListSnapshotBlocks"}},
	{"ec2", "ec2/2016-11-15", []string{
		"CopyImage", "CreateTags", "DeleteSnapshot", "DeregisterImage", "DescribeImageAttribute", "DescribeImages", "DescribeRegions", "DescribeSnapshots",
		"EnableImageDeprecation", "GetEbsEncryptionByDefault", "GetImageBlockPublicAccessState", "ModifyImageAttribute", "RegisterImage",
	}},
	{"ssm", "ssm/2014-11-06", []string{"GetParameter", "PutParameter"}},
	{"sts", "sts/2011-06-15", []string{"AssumeRoleWithWebIdentity", "GetCallerIdentity"}},
}

type model struct {
	Metadata   struct{ Protocol string }
	Operations map[string]struct {
		HTTP   struct{ Method, RequestURI string }
		Input  struct{ Shape string }
		Errors []struct{ Shape string }
	}
	Shapes map[string]modelShape
}

type modelShape struct {
	Type      string
	Required  []string
	Members   map[string]modelMember
	Member    modelMember
	Enum      []string
	Min, Max  *float64
	Pattern   string
	Payload   string
	Sensitive bool
}

type modelMember struct {
	Shape, Location, LocationName, QueryName string
}

// The tables of shapes.txt say what AWS's own API models say.
func TestShapesAreTheModels(t *testing.T) {
	corpus := os.Getenv("RESPIN_CORPUS")
	if corpus == "" {
		t.Skip("SKIP: RESPIN_CORPUS is not set")
	}
	var b strings.Builder
	for _, service := range models {
		text, err := os.ReadFile(filepath.Join(corpus, "aws-models", service.file, "api-2.json"))
		if err != nil {
			t.Fatal(err)
		}
		var m model
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		for _, name := range service.operations {
			op, ok := m.Operations[name]
			if !ok {
				t.Fatalf("%s has no operation %s", service.service, name)
			}
			fmt.Fprintf(&b, "%s %s %s %s\n", service.service, name, op.HTTP.Method, op.HTTP.RequestURI)
			m.walk(&b, m.Metadata.Protocol, "", op.Input.Shape, nil)
		}
	}
	if *update {
		if err := os.WriteFile("shapes.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(b.String(), shapesText); diff != "" {
		t.Errorf("shapes.txt is not what the models say (-models +shapes.txt); -update writes it:\n%s", diff)
	}
}

// walk writes a line for each leaf of a structure.
func (m *model) walk(b *strings.Builder, protocol, prefix, name string, seen []string) {
	if slices.Contains(seen, name) {
		return
	}
	s := m.Shapes[name]
	for _, key := range slices.Sorted(maps.Keys(s.Members)) {
		member := s.Members[key]
		path := prefix + wireName(protocol, key, member)
		required := slices.Contains(s.Required, key)
		m.leaf(b, protocol, path, member, required, key == s.Payload, append(seen, name))
	}
}

func wireName(protocol, key string, member modelMember) string {
	switch {
	case protocol != "ec2" && member.LocationName != "":
		return member.LocationName
	case protocol != "ec2":
		return key
	case member.QueryName != "":
		return member.QueryName
	case member.LocationName != "":
		return strings.ToUpper(member.LocationName[:1]) + member.LocationName[1:]
	}
	return key
}

func (m *model) leaf(b *strings.Builder, protocol, path string, member modelMember, required, payload bool, seen []string) {
	s := m.Shapes[member.Shape]
	switch s.Type {
	case "structure":
		m.walk(b, protocol, path+".", member.Shape, seen)
		return
	case "list":
		if protocol == "query" {
			path += ".member"
		}
		m.leaf(b, protocol, path+".N", s.Member, required, false, seen)
		return
	}
	where := member.Location
	if payload {
		where = "payload"
	}
	words := []string{"\t" + path, s.Type}
	add := func(ok bool, format string, args ...any) {
		if ok {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(where != "", "%s", where)
	add(required, "required")
	if s.Min != nil {
		add(true, "min=%d", int64(*s.Min))
	}
	if s.Max != nil {
		add(true, "max=%d", int64(*s.Max))
	}
	add(s.Pattern != "" && !strings.Contains(s.Pattern, `\u`), "pattern=%s", s.Pattern) // RE2 has no \u
	add(len(s.Enum) > 0, "enum=%s", strings.Join(s.Enum, ","))
	fmt.Fprintln(b, strings.Join(words, " "))
}

// The tables can be read, with or without the models.
func TestOperations(t *testing.T) {
	for _, service := range models {
		for _, name := range service.operations {
			op := operations()[service.service+" "+name]
			if op == nil {
				t.Errorf("shapes.txt has no %s %s", service.service, name)
			} else if _, ok := handlers[service.service+" "+name]; !ok && !strings.HasSuffix(name, "SnapshotBlock") {
				t.Errorf("nothing handles %s", name)
			}
		}
	}
}
