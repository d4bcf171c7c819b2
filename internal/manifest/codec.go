package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
)

// A member is one name and value of a document as it was read.
type member struct {
	name  string
	value json.RawMessage
	// typed is the value as this package writes it, right after reading: a
	// section that still encodes to it was not touched, and value goes out.
	// For a list there is one for each element. nil for a member unknown here.
	typed [][]byte
}

// A section binds a member's name to the field that holds it.
type section struct {
	name string
	list bool
	of   func(*Manifest) any // pointer to the field
}

// sections are in the order in which new ones are written.
var sections = []section{
	{"folder", false, func(m *Manifest) any { return &m.Folder }},
	{"image", false, func(m *Manifest) any { return &m.Image }},
	{"spec", false, func(m *Manifest) any { return &m.Spec }},
	{"kickstart", false, func(m *Manifest) any { return &m.Kickstart }},
	{"plan", false, func(m *Manifest) any { return &m.Plan }},
	{"build", false, func(m *Manifest) any { return &m.Build }},
	{"artifacts", true, func(m *Manifest) any { return &m.Artifacts }},
	{"tests", true, func(m *Manifest) any { return &m.Tests }},
	{"publications", true, func(m *Manifest) any { return &m.Publications }},
}

// UnmarshalJSON reads one document.
func (m *Manifest) UnmarshalJSON(data []byte) error {
	*m = Manifest{}
	members, err := split(data)
	if err != nil {
		return err
	}
	m.read = members
	schema := ""
	for i := range m.read {
		r := &m.read[i]
		if r.name == "schema" {
			if err := json.Unmarshal(r.value, &schema); err != nil {
				return fmt.Errorf("schema: %w", err)
			}
		}
		for _, s := range sections {
			if s.name != r.name {
				continue
			}
			if err := json.Unmarshal(r.value, s.of(m)); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if r.typed, err = s.encode(m); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	if schema != Schema {
		return fmt.Errorf("schema is %q, this version reads %q", schema, Schema)
	}
	return m.check()
}

// split takes an object apart without losing its order.
func split(data []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	var members []member
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string)
		if seen[name] {
			return nil, fmt.Errorf("%q stands there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		members = append(members, member{name: name, value: value})
	}
	return members, nil
}

// MarshalJSON writes the document compactly.
func (m *Manifest) MarshalJSON() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	put := func(name string, value []byte) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, _ := encode(name)
		b.Write(key)
		b.WriteByte(':')
		return json.Compact(&b, value)
	}
	written := map[string]bool{}
	if m.read == nil {
		put("schema", []byte(`"`+Schema+`"`))
	}
	for _, r := range m.read {
		value := []byte(r.value)
		for _, s := range sections {
			if s.name != r.name {
				continue
			}
			written[s.name] = true
			var err error
			if value, err = s.merge(m, r); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
		}
		if value == nil {
			continue
		}
		if err := put(r.name, value); err != nil {
			return nil, err
		}
	}
	for _, s := range sections {
		if written[s.name] || reflect.ValueOf(s.of(m)).Elem().IsZero() {
			continue
		}
		value, err := s.merge(m, member{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if err := put(s.name, value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode returns the section's field as this package writes it, a list element by element.
func (s section) encode(m *Manifest) ([][]byte, error) {
	field := reflect.ValueOf(s.of(m)).Elem()
	if !s.list {
		value, err := encode(field.Interface())
		return [][]byte{value}, err
	}
	values := make([][]byte, field.Len())
	for i := range values {
		var err error
		if values[i], err = encode(field.Index(i).Interface()); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return values, nil
}

// merge returns what to write for a section that was read as r: what was not
// touched goes out as it came in. It is nil for a section that was emptied.
func (s section) merge(m *Manifest, r member) ([]byte, error) {
	if reflect.ValueOf(s.of(m)).Elem().IsZero() {
		return nil, nil
	}
	values, err := s.encode(m)
	if err != nil {
		return nil, err
	}
	if !s.list {
		if len(r.typed) == 1 && bytes.Equal(values[0], r.typed[0]) {
			return r.value, nil
		}
		return values[0], nil
	}
	var raw []json.RawMessage
	if r.value != nil {
		if err := json.Unmarshal(r.value, &raw); err != nil {
			return nil, err
		}
	}
	for i := range min(len(values), len(r.typed)) {
		if bytes.Equal(values[i], r.typed[i]) {
			values[i] = raw[i]
		}
	}
	return append(append([]byte{'['}, bytes.Join(values, []byte{','})...), ']'), nil
}

// encode is json.Marshal without the escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// check refuses what would lead a command astray: names that are no file
// names and paths that leave the image's folder.
func (m *Manifest) check() error {
	if err := m.Image.check(); err != nil {
		return err
	}
	for i, a := range m.Artifacts {
		if !filepath.IsLocal(filepath.FromSlash(a.Path)) {
			return fmt.Errorf("artifacts[%d].path: %q is not inside the image's folder", i, a.Path)
		}
	}
	for i, t := range m.Tests {
		if t.Bundle != "" && !filepath.IsLocal(filepath.FromSlash(t.Bundle)) {
			return fmt.Errorf("tests[%d].bundle: %q is not inside the image's folder", i, t.Bundle)
		}
	}
	return nil
}
