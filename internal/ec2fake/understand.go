package ec2fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// apiVersions are those that the models are of.
var apiVersions = map[string]string{"ec2": "2016-11-15", "sts": "2011-06-15"}

// maxBody bounds every body but a block's, in bytes.
const maxBody = 1 << 20

// understand finds out what a request wants, verifies who asks, and holds what
// is asked against the shapes.
func (s *Server) understand(hr *http.Request) (*request, *failure) {
	r := &request{Request: hr, values: map[string]string{}}
	sc, ok := parseScope(hr.Header.Get("Authorization"))
	if hr.Header.Get("Authorization") == "" {
		sc = scope{service: "sts"} // who has a web identity has no credentials yet
	} else if !ok {
		return nil, fail(http.StatusBadRequest, "IncompleteSignature", "The Authorization header is not understood")
	}
	if bad := r.receive(); bad != nil {
		return nil, bad
	}
	if bad := r.name(sc.service); bad != nil {
		return nil, bad
	}
	if sc.key != "" || r.op.name != "AssumeRoleWithWebIdentity" {
		if bad := s.admit(r, sc); bad != nil {
			return nil, bad
		}
	}
	if bad := r.read(); bad != nil {
		return nil, bad
	}
	if v := r.op.check(r.values); v != nil {
		s.mu.Lock()
		s.violations = append(s.violations, r.op.name+": "+v.text)
		s.mu.Unlock()
		return nil, v.failure(r.op.service)
	}
	return r, nil
}

// bodies are used again, as a fresh one for every block would keep the collector busy.
var bodies = sync.Pool{New: func() any { return new([maxBody]byte) }}

// receive reads the body, which release gives back.
func (r *request) receive() *failure {
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		return fail(http.StatusBadRequest, "RequestTooLarge", "The body must tell its length, which is at most %d bytes", maxBody)
	}
	r.home = bodies.Get().(*[maxBody]byte)
	r.body = r.home[:r.ContentLength]
	if _, err := io.ReadFull(r.Body, r.body); err != nil {
		return fail(http.StatusBadRequest, "IncompleteBody", "The body is shorter than it said")
	}
	return nil
}

func (r *request) release() {
	if r != nil && r.home != nil {
		bodies.Put(r.home)
		r.home, r.body = nil, nil
	}
}

// admit verifies the signature and finds the region.
func (s *Server) admit(r *request, sc scope) *failure {
	sum := r.Header.Get("X-Amz-Content-Sha256")
	if sum != "UNSIGNED-PAYLOAD" || r.op.name != "PutSnapshotBlock" {
		digest := sha256.Sum256(r.body)
		sum = hex.EncodeToString(digest[:])
	}
	if bad := s.authenticate(r.Request, sc, sum); bad != nil {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.keys[sc.key].Denied, r.op.name) {
		return denied(r.op)
	}
	r.region = s.regions[sc.region]
	if r.region == nil {
		return fail(http.StatusUnauthorized, authCode(sc.service, "AuthFailure"), "The region %s is not enabled for this account", sc.region)
	}
	return nil
}

func denied(op *operation) *failure {
	if op.service == "ec2" {
		return fail(http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. User: arn:aws:iam::%s:user/fake is not authorized to perform: ec2:%s", Account, op.name)
	}
	f := fail(http.StatusForbidden, "AccessDeniedException", "User: arn:aws:iam::%s:user/fake is not authorized to perform: %s:%s", Account, op.service, op.name)
	f.reason = "UNAUTHORIZED_ACCOUNT"
	return f
}

// name finds the operation that is asked for.
func (r *request) name(service string) *failure {
	key := ""
	switch service {
	case "ebs":
		key = r.match()
	case "ec2", "sts":
		form, err := url.ParseQuery(string(r.body))
		if err != nil {
			return fail(http.StatusBadRequest, "MalformedQueryString", "The body is no form")
		}
		for name, values := range form {
			r.values[name] = values[0]
		}
		if v := r.values["Version"]; v != apiVersions[service] {
			return fail(http.StatusBadRequest, "NoSuchVersion", "The version is %s", v)
		}
		key = service + " " + r.values["Action"]
		delete(r.values, "Action")
		delete(r.values, "Version")
	default:
		_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		key = service + " " + name
	}
	if r.op = operations()[key]; r.op == nil && key == "servicequotas GetServiceQuota" {
		r.op = serviceQuota
	}
	if r.op == nil {
		return fail(http.StatusBadRequest, "InvalidAction", "There is no %s %s in this fake", r.Method, strings.TrimSpace(key+" "+r.URL.Path))
	}
	return nil
}

// match finds the operation of EBS direct for a method and path.
func (r *request) match() string {
	parts := strings.Split(r.URL.Path, "/")
	for key, op := range operations() {
		pattern := strings.Split(op.path, "/")
		if op.service != "ebs" || op.method != r.Method || len(pattern) != len(parts) {
			continue
		}
		values := map[string]string{}
		fits := true
		for i, p := range pattern {
			if strings.HasPrefix(p, "{") {
				values[strings.Trim(p, "{}")] = parts[i]
			} else if p != parts[i] {
				fits = false
			}
		}
		if fits {
			r.values = values
			return key
		}
	}
	return "ebs"
}

// read takes the members that are not in the path or form.
func (r *request) read() *failure {
	if r.op.service == "ec2" || r.op.service == "sts" {
		return nil
	}
	for name, s := range r.op.shapes {
		switch {
		case s.where == "header" && r.Header.Values(name) != nil:
			r.values[name] = r.Header.Get(name)
		case s.where == "querystring" && r.URL.Query().Has(name):
			r.values[name] = r.URL.Query().Get(name)
		}
	}
	if _, payload := r.op.shapes["BlockData"]; payload || len(r.body) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(r.body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return fail(http.StatusBadRequest, "SerializationException", "The body is no JSON")
	}
	r.flatten("", v)
	return nil
}

// flatten writes a JSON value as the values of its leaves.
func (r *request) flatten(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			r.flatten(strings.TrimPrefix(path+"."+name, "."), member)
		}
	case []any:
		for i, element := range v {
			r.flatten(fmt.Sprintf("%s.%d", path, i+1), element)
		}
	case nil:
	default:
		r.values[path] = fmt.Sprint(v)
	}
}

func (v *violation) failure(service string) *failure {
	if service != "ec2" && service != "sts" {
		f := fail(http.StatusBadRequest, "ValidationException", "%s", v.text)
		f.reason = "INVALID_PARAMETER_VALUE"
		return f
	}
	code := map[string]string{"unknown": "UnknownParameter", "missing": "MissingParameter", "invalid": "InvalidParameterValue"}[v.kind]
	return fail(http.StatusBadRequest, code, "%s", v.text)
}

// list returns the values of PREFIX.1SUFFIX, PREFIX.2SUFFIX and so on.
func (r *request) list(prefix, suffix string) []string {
	var all []string
	for i := 1; ; i++ {
		v, ok := r.values[fmt.Sprintf("%s.%d%s", prefix, i, suffix)]
		if !ok {
			return all
		}
		all = append(all, v)
	}
}

// tags returns the tags at a prefix.
func (r *request) tags(prefix string) map[string]string {
	tags := map[string]string{}
	keys, values := r.list(prefix, ".Key"), r.list(prefix, ".Value")
	for i, key := range keys {
		if tags[key] = ""; i < len(values) {
			tags[key] = values[i]
		}
	}
	return tags
}

// specified returns the tags that a request has for a type of resource.
func (r *request) specified(resource string) map[string]string {
	for i, kind := range r.list("TagSpecification", ".ResourceType") {
		if kind == resource {
			return r.tags(fmt.Sprintf("TagSpecification.%d.Tag", i+1))
		}
	}
	return map[string]string{}
}
