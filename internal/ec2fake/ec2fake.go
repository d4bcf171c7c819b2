// Package ec2fake is a strict stand-in for the parts of AWS that publishing a
// machine image needs: EBS direct, EC2, SSM's parameters, STS and Service
// Quotas, for all regions at one address.
//
// It is test equipment. Unlike the emulators of the field it refuses what AWS
// refuses: requests are held against the shapes of AWS's API models
// (shapes.txt), signatures are verified, blocks must have the right size and
// checksum, a snapshot the right number of blocks and aggregate checksum,
// names are unique, what is new cannot be seen for a while, credentials
// expire, and who asks too often is throttled. It can also fail on purpose,
// and gives the bytes of a volume back.
//
// Errors have AWS's codes; their texts are our own.
package ec2fake

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// BlockSize is that of EBS direct, in bytes.
const BlockSize = 512 << 10

// Account is the number of the account that everything belongs to.
const Account = "123456789012"

// Options say how the account and its regions are. The zero value is an
// account without quotas in which everything is ready at once.
type Options struct {
	Regions     []string        // that are enabled; those of DefaultRegions if nil
	Disabled    []string        // regions that exist and are not enabled
	Encrypted   map[string]bool // regions where new snapshots are encrypted by default
	BlockPublic map[string]bool // regions where images cannot be made public
	PublicQuota int             // public images a region; 5 if 0
	Quotas      bool            // throttle at the quotas that AWS publishes
	BlockRate   int             // blocks a second that are written with Quotas; 1000 if 0
	Hidden      time.Duration   // how long what is new cannot be seen
	Ready       time.Duration   // how long a completed snapshot, and a new image, stays pending
	Copying     time.Duration   // how long a copy of an image stays pending
	Folder      string          // for the volumes' bytes; the system's temporary folder if empty
	Memory      bool            // keep them in memory instead, as large as the volumes are
	Keys        map[string]Key  // by access key id; DefaultKey alone if nil
	// Fault decides what goes wrong with a request; nil is nothing.
	Fault func(service, operation string) Fault
}

// DefaultRegions are enabled where nobody says otherwise.
var DefaultRegions = []string{"ap-northeast-1", "eu-central-1", "eu-west-1", "us-east-1", "us-west-2"}

// A Server is the fake. It is an http.Handler.
type Server struct {
	options Options
	limits  *limits

	mu         sync.Mutex
	keys       map[string]Key
	regions    map[string]*region
	tokens     map[string]*snapshot // by client token of StartSnapshot, with the region
	copies     map[string]*image    // by client token of CopyImage, with the region
	count      map[string]int       // of successful requests, by operation
	tempo      Tempo
	violations []string
}

// A region holds what is in one.
type region struct {
	name       string
	snapshots  map[string]*snapshot
	images     map[string]*image
	parameters map[string]*parameter
}

// New returns a fake account with nothing in it.
func New(o Options) *Server {
	if o.Regions == nil {
		o.Regions = DefaultRegions
	}
	if o.PublicQuota == 0 {
		o.PublicQuota = 5
	}
	if o.Keys == nil {
		o.Keys = map[string]Key{DefaultKey: {Secret: DefaultSecret}}
	}
	if o.Fault == nil {
		o.Fault = func(string, string) Fault { return None }
	}
	s := &Server{
		options: o, limits: newLimits(o.BlockRate), keys: o.Keys, regions: map[string]*region{},
		tokens: map[string]*snapshot{}, copies: map[string]*image{}, count: map[string]int{},
	}
	for _, name := range o.Regions {
		s.regions[name] = &region{name, map[string]*snapshot{}, map[string]*image{}, map[string]*parameter{}}
	}
	return s
}

// Close gives the volumes' room back.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	closed := map[store]bool{}
	for _, r := range s.regions {
		for _, snap := range r.snapshots {
			if b := snap.volume.bytes; !closed[b] {
				closed[b] = true
				b.Close()
			}
		}
	}
}

// Count is how many requests for an operation succeeded.
func (s *Server) Count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[operation]
}

// Violations are the requests so far that were not as the models want them.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// A request is one that was understood and whose signature was verified.
type request struct {
	*http.Request
	op     *operation
	values map[string]string // the members, by their names in shapes.txt with N replaced by indexes
	body   []byte
	home   *[maxBody]byte // that body is a part of
	region *region
}

// A failure is the answer to a request that is refused.
type failure struct {
	status        int
	code, message string
	reason        string // of EBS direct's errors
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	if rest, ok := strings.CutPrefix(hr.URL.Path, "/volumes/"); ok {
		s.serveVolume(w, hr, rest)
		return
	}
	p := protocolOf(hr)
	r, err := s.understand(hr)
	defer r.release()
	if err != nil {
		p.fail(w, err)
		return
	}
	fault := s.options.Fault(r.op.service, r.op.name)
	if fault.before(w, p) {
		return
	}
	if s.options.Quotas && !s.limits.allow(r) {
		s.note(r, true)
		p.fail(w, p.throttled())
		return
	}
	answer, err := s.do(r, fault)
	if err == nil {
		s.mu.Lock()
		s.count[r.op.name]++
		s.mu.Unlock()
		s.note(r, false)
	}
	switch {
	case fault == ResetAfter:
		panic(http.ErrAbortHandler)
	case err != nil:
		p.fail(w, err)
	default:
		answer(w)
	}
}

// An answer writes what a successful request gets.
type answer func(http.ResponseWriter)

// handlers are by "SERVICE NAME". They are called with the server locked,
// except those of blocks, which lock themselves.
var handlers = map[string]func(*Server, *request) (answer, *failure){
	"ebs StartSnapshot":                  (*Server).startSnapshot,
	"ebs CompleteSnapshot":               (*Server).completeSnapshot,
	"ebs ListSnapshotBlocks":             (*Server).listSnapshotBlocks,
	"ec2 CopyImage":                      (*Server).copyImage,
	"ec2 CreateTags":                     (*Server).createTags,
	"ec2 DeleteSnapshot":                 (*Server).deleteSnapshot,
	"ec2 DeregisterImage":                (*Server).deregisterImage,
	"ec2 DescribeImageAttribute":         (*Server).describeImageAttribute,
	"ec2 DescribeImages":                 (*Server).describeImages,
	"ec2 DescribeRegions":                (*Server).describeRegions,
	"ec2 DescribeSnapshots":              (*Server).describeSnapshots,
	"ec2 EnableImageDeprecation":         (*Server).enableImageDeprecation,
	"ec2 GetEbsEncryptionByDefault":      (*Server).getEbsEncryptionByDefault,
	"ec2 GetImageBlockPublicAccessState": (*Server).getImageBlockPublicAccessState,
	"ec2 ModifyImageAttribute":           (*Server).modifyImageAttribute,
	"ec2 RegisterImage":                  (*Server).registerImage,
	"ssm GetParameter":                   (*Server).getParameter,
	"ssm PutParameter":                   (*Server).putParameter,
	"sts AssumeRoleWithWebIdentity":      (*Server).assumeRoleWithWebIdentity,
	"sts GetCallerIdentity":              (*Server).getCallerIdentity,
	"servicequotas GetServiceQuota":      (*Server).getServiceQuota,
}

func (s *Server) do(r *request, fault Fault) (answer, *failure) {
	switch r.op.name {
	case "PutSnapshotBlock":
		return s.putSnapshotBlock(r, fault)
	case "GetSnapshotBlock":
		return s.getSnapshotBlock(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return handlers[r.op.service+" "+r.op.name](s, r)
}

// newID returns an id as AWS makes them: a prefix and 17 hexadecimal digits.
func newID(prefix string) string {
	var b [9]byte
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return prefix + hex.EncodeToString(b[:])[:17]
}
