package ec2fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// An ebsTag is how EBS direct writes a tag.
type ebsTag struct{ Key, Value string }

func invalid(reason, format string, args ...any) *failure {
	f := fail(http.StatusBadRequest, "ValidationException", format, args...)
	f.reason = reason
	return f
}

func (s *Server) startSnapshot(r *request) (answer, *failure) {
	gib, _ := strconv.ParseInt(r.values["VolumeSize"], 10, 64)
	if gib > 64<<10 {
		return nil, invalid("INVALID_VOLUME_SIZE", "The volume size is more than 65536 GiB")
	}
	token := r.region.name + " " + r.values["ClientToken"]
	if old := s.tokens[token]; old != nil && r.values["ClientToken"] != "" {
		if old.volume.gib != gib || old.description != r.values["Description"] {
			return nil, fail(http.StatusConflict, "ConflictException", "The client token was used with other parameters")
		}
		return asJSON(http.StatusCreated, old.ebs()), nil
	}
	if s.options.Quotas && r.region.pending() >= maxPending {
		return nil, fail(http.StatusBadRequest, "ConcurrentLimitExceededException", "You have reached the limit of %d pending snapshots", maxPending)
	}
	encrypted := s.options.Encrypted[r.region.name] || r.values["Encrypted"] == "true" || r.values["KmsKeyArn"] != ""
	volume, err := s.options.newVolume(gib, encrypted)
	if err != nil {
		return nil, fail(http.StatusInternalServerError, "InternalServerException", "%v", err)
	}
	now := time.Now()
	timeout := time.Hour
	if minutes, _ := strconv.Atoi(r.values["Timeout"]); minutes > 0 {
		timeout = time.Duration(minutes) * time.Minute
	}
	snap := &snapshot{
		id: newID("snap-"), description: r.values["Description"], tags: r.tags("Tags"), volume: volume, started: now, visible: now.Add(s.options.Hidden),
		timeout: timeout, written: now,
	}
	r.region.snapshots[snap.id] = snap
	s.tokens[token] = snap
	return asJSON(http.StatusCreated, snap.ebs()), nil
}

// ebs is what EBS direct tells of a snapshot.
func (s *snapshot) ebs() any {
	var tags []ebsTag
	for _, key := range sortedKeys(s.tags) {
		tags = append(tags, ebsTag{key, s.tags[key]})
	}
	sse := "none"
	if s.volume.encrypted {
		sse = "sse-ebs"
	}
	return struct {
		SnapshotID  string `json:"SnapshotId"`
		OwnerID     string `json:"OwnerId"`
		Status      string
		Description string
		StartTime   int64
		VolumeSize  int64
		BlockSize   int
		Tags        []ebsTag
		SseType     string
	}{s.id, Account, s.state(time.Now()), s.description, s.started.Unix(), s.volume.gib, BlockSize, tags, sse}
}

// open returns the snapshot that a request is about, to be written to.
func (s *Server) open(r *request) (*snapshot, *failure) {
	snap := r.region.snapshots[r.values["snapshotId"]]
	if snap == nil {
		f := fail(http.StatusNotFound, "ResourceNotFoundException", "The snapshot '%s' does not exist", r.values["snapshotId"])
		f.reason = "SNAPSHOT_NOT_FOUND"
		return nil, f
	}
	if !snap.sealed.IsZero() || snap.state(time.Now()) != "pending" {
		return nil, invalid("INVALID_SNAPSHOT_ID", "The snapshot '%s' is not pending", snap.id)
	}
	return snap, nil
}

func (s *Server) putSnapshotBlock(r *request, fault Fault) (answer, *failure) {
	s.mu.Lock()
	snap, bad := s.open(r)
	if snap != nil {
		snap.written = time.Now()
		snap.writers.Add(1)
		defer snap.writers.Done()
	}
	s.mu.Unlock()
	if bad != nil {
		return nil, bad
	}
	i, _ := strconv.Atoi(r.values["blockIndex"])
	switch {
	case r.values["x-amz-Data-Length"] != strconv.Itoa(BlockSize) || len(r.body) != BlockSize:
		return nil, invalid("INVALID_PARAMETER_VALUE", "A block has %d bytes, not %d", BlockSize, len(r.body))
	case int64(i) >= snap.volume.gib<<30/BlockSize:
		return nil, invalid("INVALID_BLOCK", "The volume has no block %d", i)
	}
	if fault == Corrupt {
		r.body[len(r.body)/2] ^= 1
	}
	sum := sha256.Sum256(r.body)
	want, err := base64.StdEncoding.DecodeString(r.values["x-amz-Checksum"])
	if fault != Corrupt && (err != nil || !bytes.Equal(sum[:], want)) {
		return nil, invalid("INVALID_BLOCK", "The checksum of block %d is another", i)
	}
	if err := snap.volume.write(i, r.body, sum); err != nil {
		return nil, fail(http.StatusInternalServerError, "InternalServerException", "%v", err)
	}
	return func(w http.ResponseWriter) {
		w.Header().Set("X-Amz-Checksum", base64.StdEncoding.EncodeToString(sum[:]))
		w.Header().Set("X-Amz-Checksum-Algorithm", "SHA256")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
	}, nil
}

func (s *Server) completeSnapshot(r *request) (answer, *failure) {
	snap, bad := s.open(r)
	if bad != nil {
		return nil, bad
	}
	snap.writers.Wait()
	if want := strconv.Itoa(len(snap.volume.indexes())); r.values["x-amz-ChangedBlocksCount"] != want {
		return nil, invalid("INVALID_PARAMETER_VALUE", "%s blocks were written, not %s", want, r.values["x-amz-ChangedBlocksCount"])
	}
	if sum, ok := r.values["x-amz-Checksum"]; ok {
		if r.values["x-amz-Checksum-Algorithm"] == "" || r.values["x-amz-Checksum-Aggregation-Method"] == "" {
			return nil, invalid("INVALID_PARAMETER_VALUE", "A checksum wants its algorithm and its aggregation method")
		}
		if sum != snap.volume.linear() {
			return nil, invalid("INVALID_PARAMETER_VALUE", "The aggregate checksum is another")
		}
	}
	snap.sealed = time.Now()
	snap.ready = snap.sealed.Add(s.options.Ready)
	return asJSON(http.StatusAccepted, map[string]string{"Status": snap.state(time.Now())}), nil
}

// readable returns the completed snapshot that a request is about.
func (s *Server) readable(r *request) (*snapshot, *failure) {
	snap := r.region.snapshots[r.values["snapshotId"]]
	if snap == nil {
		f := fail(http.StatusNotFound, "ResourceNotFoundException", "The snapshot '%s' does not exist", r.values["snapshotId"])
		f.reason = "SNAPSHOT_NOT_FOUND"
		return nil, f
	}
	if snap.state(time.Now()) != "completed" {
		return nil, invalid("INVALID_SNAPSHOT_ID", "The snapshot '%s' is not completed", snap.id)
	}
	return snap, nil
}

func (s *Server) listSnapshotBlocks(r *request) (answer, *failure) {
	snap, bad := s.readable(r)
	if bad != nil {
		return nil, bad
	}
	first, most := 0, 10000
	if v, ok := r.values["startingBlockIndex"]; ok {
		first, _ = strconv.Atoi(v)
	}
	if v, ok := r.values["pageToken"]; ok {
		text, _ := base64.StdEncoding.DecodeString(v)
		n, err := strconv.Atoi(string(text))
		if err != nil {
			return nil, invalid("INVALID_PAGE_TOKEN", "The page token is invalid")
		}
		first = n
	}
	if v, ok := r.values["maxResults"]; ok {
		most, _ = strconv.Atoi(v)
	}
	type block struct {
		BlockIndex int
		BlockToken string
	}
	v := snap.volume
	page := struct {
		Blocks     []block
		ExpiryTime int64
		VolumeSize int64
		BlockSize  int
		NextToken  string `json:",omitempty"`
	}{ExpiryTime: time.Now().Add(time.Hour).Unix(), VolumeSize: v.gib, BlockSize: BlockSize}
	indexes := v.indexes()
	at, _ := slices.BinarySearch(indexes, first)
	for _, i := range indexes[at:] {
		if len(page.Blocks) == most {
			page.NextToken = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(i)))
			break
		}
		token := base64.StdEncoding.EncodeToString([]byte(snap.id + " " + strconv.Itoa(i)))
		page.Blocks = append(page.Blocks, block{i, token})
	}
	return asJSON(http.StatusOK, page), nil
}

func (s *Server) getSnapshotBlock(r *request) (answer, *failure) {
	s.mu.Lock()
	snap, bad := s.readable(r)
	s.mu.Unlock()
	if bad != nil {
		return nil, bad
	}
	i, _ := strconv.Atoi(r.values["blockIndex"])
	token, _ := base64.StdEncoding.DecodeString(r.values["blockToken"])
	v := snap.volume
	v.mu.Lock()
	sum, written := v.blocks[i]
	v.mu.Unlock()
	if !written || string(token) != snap.id+" "+r.values["blockIndex"] {
		return nil, invalid("INVALID_BLOCK_TOKEN", "The block token is not that of block %d", i)
	}
	data := make([]byte, BlockSize)
	if _, err := v.ReadAt(data, int64(i)*BlockSize); err != nil {
		return nil, fail(http.StatusInternalServerError, "InternalServerException", "%v", err)
	}
	return func(w http.ResponseWriter) {
		w.Header().Set("X-Amz-Data-Length", strconv.Itoa(BlockSize))
		w.Header().Set("X-Amz-Checksum", base64.StdEncoding.EncodeToString(sum[:]))
		w.Header().Set("X-Amz-Checksum-Algorithm", "SHA256")
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(data)
	}, nil
}
