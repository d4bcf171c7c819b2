package ec2fake

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A snapshot is one of a region.
type snapshot struct {
	id, description string
	tags            map[string]string
	volume          *volume
	started         time.Time
	visible         time.Time // when EC2 knows of it
	sealed          time.Time // when it was completed; zero before
	ready           time.Time // when EC2 says so
	written         time.Time // when a block was written last
	timeout         time.Duration
	writers         sync.WaitGroup
}

func (s *snapshot) state(now time.Time) string {
	switch {
	case s.sealed.IsZero() && now.After(s.written.Add(s.timeout)):
		return "error"
	case s.sealed.IsZero() || now.Before(s.ready):
		return "pending"
	}
	return "completed"
}

// pending is how many snapshots are being written.
func (r *region) pending() int {
	n := 0
	for _, s := range r.snapshots {
		if s.sealed.IsZero() && s.state(time.Now()) == "pending" {
			n++
		}
	}
	return n
}

// see returns the snapshot if EC2 knows of it yet.
func (r *region) see(id string) (*snapshot, *failure) {
	s := r.snapshots[id]
	if s == nil || time.Now().Before(s.visible) {
		return nil, fail(http.StatusBadRequest, "InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id)
	}
	return s, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// A tagItem is how EC2 writes a tag.
type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func tagItems(tags map[string]string) []tagItem {
	var items []tagItem
	for _, key := range sortedKeys(tags) {
		items = append(items, tagItem{key, tags[key]})
	}
	return items
}

// filters returns the filters of a request, by name, which are among those
// known or are tags.
func (r *request) filters(known ...string) (map[string][]string, *failure) {
	filters := map[string][]string{}
	for i, name := range r.list("Filter", ".Name") {
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "tag:") {
			return nil, fail(http.StatusBadRequest, "InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		filters[name] = r.list("Filter."+strconv.Itoa(i+1)+".Value", "")
	}
	return filters, nil
}

// keep reports whether something with these properties and tags passes the filters.
func keep(filters map[string][]string, properties, tags map[string]string) bool {
	for name, values := range filters {
		value, ok := properties[name]
		if key, tag := strings.CutPrefix(name, "tag:"); tag {
			value, ok = tags[key]
		}
		if !ok || !slices.Contains(values, value) {
			return false
		}
	}
	return true
}

// page cuts a list where MaxResults and NextToken say.
func page[T any](r *request, all []T) ([]T, string, *failure) {
	from := 0
	if token, ok := r.values["NextToken"]; ok {
		text, _ := base64.StdEncoding.DecodeString(token)
		n, err := strconv.Atoi(string(text))
		if err != nil || n > len(all) {
			return nil, "", fail(http.StatusBadRequest, "InvalidNextToken", "The token is invalid")
		}
		from = n
	}
	most := len(all)
	if v, ok := r.values["MaxResults"]; ok {
		most, _ = strconv.Atoi(v)
	}
	if from+most >= len(all) {
		return all[from:], "", nil
	}
	return all[from : from+most], base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(from + most))), nil
}

type snapshotItem struct {
	ID          string    `xml:"snapshotId"`
	State       string    `xml:"status"`
	Started     string    `xml:"startTime"`
	Progress    string    `xml:"progress"`
	Owner       string    `xml:"ownerId"`
	Size        int64     `xml:"volumeSize"`
	Description string    `xml:"description"`
	Encrypted   bool      `xml:"encrypted"`
	Tags        []tagItem `xml:"tagSet>item"`
}

func (s *Server) describeSnapshots(r *request) (answer, *failure) {
	for _, id := range r.list("SnapshotId", "") {
		if _, bad := r.region.see(id); bad != nil {
			return nil, bad
		}
	}
	ids := r.list("SnapshotId", "")
	filters, bad := r.filters("status", "snapshot-id", "owner-id")
	if bad != nil {
		return nil, bad
	}
	var items []snapshotItem
	for _, id := range sortedKeys(r.region.snapshots) {
		snap, bad := r.region.see(id)
		if bad != nil || len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		state := snap.state(time.Now())
		if keep(filters, map[string]string{"status": state, "snapshot-id": id, "owner-id": Account}, snap.tags) {
			items = append(items, snapshotItem{
				id, state, snap.started.UTC().Format("2006-01-02T15:04:05.000Z"), "100%", Account, snap.volume.gib, snap.description, snap.volume.encrypted, tagItems(snap.tags),
			})
		}
	}
	items, next, bad := page(r, items)
	if bad != nil {
		return nil, bad
	}
	return asEC2(r.op.name, struct {
		Items []snapshotItem `xml:"snapshotSet>item"`
		Next  string         `xml:"nextToken,omitempty"`
	}{items, next}), nil
}

func (s *Server) deleteSnapshot(r *request) (answer, *failure) {
	snap, bad := r.region.see(r.values["SnapshotId"])
	if bad != nil {
		return nil, bad
	}
	for _, id := range sortedKeys(r.region.images) {
		if img := r.region.images[id]; img.snapshot == snap.id {
			return nil, fail(http.StatusBadRequest, "InvalidSnapshot.InUse", "The snapshot %s is currently in use by %s", snap.id, id)
		}
	}
	delete(r.region.snapshots, snap.id)
	return asEC2(r.op.name, struct {
		Return bool `xml:"return"`
	}{true}), nil
}

func (s *Server) createTags(r *request) (answer, *failure) {
	tags := r.tags("Tag")
	if len(tags) == 0 {
		return nil, fail(http.StatusBadRequest, "MissingParameter", "The request must contain the parameter tagSet")
	}
	for _, id := range r.list("ResourceId", "") {
		var old map[string]string
		if snap, _ := r.region.see(id); snap != nil {
			old = snap.tags
		} else if img, bad := r.region.image(id); bad == nil {
			old = img.tags
		} else if strings.HasPrefix(id, "ami-") {
			return nil, bad
		} else {
			return nil, fail(http.StatusBadRequest, "InvalidID", "The ID '%s' is not valid", id)
		}
		maps.Copy(old, tags)
	}
	return asEC2(r.op.name, struct {
		Return bool `xml:"return"`
	}{true}), nil
}
