package manifest

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

type schemaNode struct {
	Type       string                `json:"type"`
	Properties map[string]schemaNode `json:"properties"`
	Required   []string              `json:"required"`
	Ref        string                `json:"$ref"`
	Items      *schemaNode           `json:"items"`
	Defs       map[string]schemaNode `json:"$defs"`
	Enum       []any                 `json:"enum"`
	Const      any                   `json:"const"`
}

// The schema file lists exactly the fields of the Go types, with their types,
// and requires those that are always written.
func TestSchemaMatchesTypes(t *testing.T) {
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root schemaNode
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
		typ := reflect.TypeOf(s.of(new(Manifest))).Elem()
		holdType(t, root, s.name, root.Properties[s.name], typ)
	}
	names = append(names, "schema")
	sort.Strings(names)
	if diff := cmp.Diff(names, keys(root.Properties)); diff != "" {
		t.Errorf("sections: %s", diff)
	}
}

func holdType(t *testing.T, root schemaNode, path string, node schemaNode, typ reflect.Type) {
	t.Helper()
	if node.Ref != "" {
		node = root.Defs[strings.TrimPrefix(node.Ref, "#/$defs/")]
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
		reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}[typ.Kind()]
	if typ == reflect.TypeFor[Duration]() || len(node.Enum) > 0 {
		want = "string"
	}
	if node.Type != want && len(node.Enum) == 0 {
		t.Errorf("%s: schema says %q, the Go type is %q", path, node.Type, want)
	}
	switch typ.Kind() {
	case reflect.Slice:
		holdType(t, root, path+"[]", *node.Items, typ.Elem())
	case reflect.Struct:
		holdStruct(t, root, path, node, typ)
	}
}

func holdStruct(t *testing.T, root schemaNode, path string, node schemaNode, typ reflect.Type) {
	t.Helper()
	var fields, required []string
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, name)
		if options == "" {
			required = append(required, name)
		}
		holdType(t, root, path+"."+name, node.Properties[name], f.Type)
	}
	sort.Strings(fields)
	sort.Strings(required)
	slices.Sort(node.Required)
	if diff := cmp.Diff(fields, keys(node.Properties)); diff != "" {
		t.Errorf("%s: fields differ (- Go, + schema): %s", path, diff)
	}
	if diff := cmp.Diff(strings.Join(required, " "), strings.Join(node.Required, " ")); diff != "" {
		t.Errorf("%s: required fields differ (- Go, + schema): %s", path, diff)
	}
}

func keys(m map[string]schemaNode) []string {
	var names []string
	for k := range m {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}

// What this package writes is valid; what the schema forbids is found.
func TestSchemaValidates(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + zeros
	m := &Manifest{
		Folder: "out/a",
		Image:  Image{Name: "a", Version: "43", Release: "1", Arch: "x86_64"},
		Spec: &Spec{Path: "specs/a", Koji: new(""), Keys: []Key{{URL: "https://example.org/key", Fingerprint: strings.Repeat("0a", 20)}},
			Smoke:   Smoke{Firmware: []string{"bios"}, Tests: []SmokeTest{{Name: "n", Command: "true", Timeout: Duration(90 * time.Second), Severity: "warning"}}},
			Scripts: Scripts{Timeout: Duration(time.Hour)}, Publish: map[string]any{"oci": "x"}},
		Kickstart: &Kickstart{Path: "a.ks", Syntax: "F43", Text: "text\n", Digest: digest, Sources: []Source{{"a.ks", digest}}, Origins: []Origin{{1, "a.ks", 1}}},
		Plan: &Plan{Reasons: []string{"kickstart", "security"}, Lock: "specs/a/lock.x86_64.json", Files: []string{"a.ks"},
			Packages: []PackageChange{{Name: "bash", Arch: "x86_64", Old: "1-1", New: "2-1", Advisories: []string{"A-1"}}}, Advisories: []Advisory{{ID: "A-1", Type: "security", CVEs: []string{"CVE-2026-1"}}},
			Repositories: []RepositoryChange{{Name: "r", New: digest}}},
		Build:        &Build{Engine: "direct", Repositories: []Repository{{Name: "r", Repomd: digest}}, Packages: []Package{{Name: "bash", Checksum: digest}}},
		Artifacts:    []Artifact{{Path: "disk.raw", Format: "raw", SHA256: zeros}},
		Tests:        []Test{{Artifact: "disk.raw", SHA256: zeros, Firmware: "uefi", Results: []Result{{Name: "ssh", Severity: "error", Outcome: "passed"}}}},
		Publications: []Publication{{Kind: "oci", SHA256: zeros}},
	}
	validate := func(text []byte) error {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	text, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(text); err != nil {
		t.Errorf("what was written is invalid: %v\n%s", err, text)
	}
	for _, bad := range []string{
		strings.Replace(string(text), `"x86_64"`, `"../x"`, 1),
		strings.Replace(string(text), `["kickstart",`, `["whim",`, 1),
		strings.Replace(string(text), `"uefi"`, `"coreboot"`, 1),
		strings.Replace(string(text), `"respin/v1"`, `"respin/v2"`, 1),
		strings.Replace(string(text), digest, "md5:0", 1),
	} {
		if validate([]byte(bad)) == nil {
			t.Errorf("the schema accepts %s", bad)
		}
	}
}
