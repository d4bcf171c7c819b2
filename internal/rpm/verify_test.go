package rpm_test

import (
	"bytes"
	"crypto"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/rpm"
	"github.com/respin-project/respin/internal/rpm/rpmtest"
)

func corpus(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("RESPIN_CORPUS")
	if dir == "" {
		t.Skip("SKIP: RESPIN_CORPUS does not name the corpus")
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

func keyring(t testing.TB, keys ...[]byte) *rpm.Keyring {
	t.Helper()
	k := &rpm.Keyring{}
	for _, key := range keys {
		if err := k.Add(key); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

var somePackage = rpmtest.Package{Files: []rpmtest.File{{Path: "/usr/share/hello", Data: "hello, world\n"}}, Compression: "zstd"}

// verdict is how Verify ended, in a word.
func verdict(err error) string {
	var signature *rpm.SignatureError
	var format *rpm.FormatError
	switch {
	case err == nil:
		return "good"
	case errors.As(err, &signature):
		return signature.Problem.String()
	case errors.As(err, &format):
		return "malformed"
	}
	return err.Error()
}

func TestVerifyKindsOfKeysAndSignatures(t *testing.T) {
	ed25519 := rpmtest.NewKey(nil)
	v6 := rpmtest.NewKey(&packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519})
	for name, test := range map[string]struct {
		key  *rpmtest.Key
		edit func(*rpmtest.Package)
		want string
	}{
		"RSA":                   {rpmtest.RSA(), nil, "good"},
		"RSA with SHA-512":      {&rpmtest.Key{Entity: rpmtest.RSA().Entity, Hash: crypto.SHA512}, nil, "good"},
		"RSA in version 3":      {&rpmtest.Key{Entity: rpmtest.RSA().Entity, V3: true}, nil, "good"},
		"RSA of 1024 bits":      {rpmtest.NewKey(&packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024, MinRSABits: 1024}), nil, "weak key"},
		"SHA-1":                 {&rpmtest.Key{Entity: rpmtest.RSA().Entity, Hash: crypto.SHA1, V3: true}, nil, "has a signature that is too weak"},
		"Ed25519":               {ed25519, nil, "good"},
		"Ed25519 of v6":         {v6, func(p *rpmtest.Package) { p.OpenPGP = true }, "good"},
		"RSA of v6":             {rpmtest.NewKey(&packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoRSA, RSABits: 3072}), nil, "good"},
		"P-256":                 {rpmtest.NewKey(&packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256}), nil, "good"},
		"P-384":                 {rpmtest.NewKey(&packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP384}), nil, "good"},
		"P-521":                 {rpmtest.NewKey(&packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP521}), nil, "good"},
		"header and payload":    {rpmtest.RSA(), func(p *rpmtest.Package) { p.Legacy = true }, "good"},
		"v6 tag, v4 key":        {ed25519, func(p *rpmtest.Package) { p.OpenPGP = true }, "good"},
		"archive without names": {ed25519, func(p *rpmtest.Package) { p.Stripped = true }, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			p := somePackage
			p.Key = test.key
			if test.edit != nil {
				test.edit(&p)
			}
			k := &rpm.Keyring{}
			if err := k.Add(test.key.Public()); err != nil {
				if test.want != "weak key" || !strings.Contains(err.Error(), "too weak") {
					t.Error(err)
				}
				return
			}
			got, signer, err := rpm.Verify(bytes.NewReader(p.Build()), k)
			if verdict(err) != test.want {
				t.Fatalf("verdict is %q, want %q", verdict(err), test.want)
			}
			if err != nil {
				return
			}
			if signer.Fingerprint != test.key.Fingerprint() || signer.UserID != "Test <test@example.org>" || time.Since(signer.Time) > time.Hour {
				t.Errorf("signed by %+v", signer)
			}
			if got.NEVRA().String() != "hello-1.0-1.noarch" {
				t.Errorf("package is %s", got.NEVRA())
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	ours, theirs := rpmtest.NewKey(nil), rpmtest.NewKey(nil)
	trust := keyring(t, ours.Public())
	signed := somePackage
	signed.Key = ours
	headerOnly := signed
	headerOnly.Header = func(h *rpmtest.Header) { h.Delete(5092) }
	stranger := signed
	stranger.Key = theirs

	flip := func(data []byte, what string) []byte {
		at := bytes.LastIndex(data, []byte(what))
		data[at] ^= 0x20
		return data
	}
	uncompressed := signed
	uncompressed.Compression = ""
	for name, test := range map[string]struct {
		data    []byte
		trust   *rpm.Keyring
		problem rpm.Problem
		message string
	}{
		"unsigned":                             {somePackage.Build(), trust, rpm.Unsigned, "hello-1.0-1.noarch is not signed: there is no signature"},
		"unknown key":                          {stranger.Build(), trust, rpm.NoKey, "hello-1.0-1.noarch is signed by an unknown key (key id " + theirs.Fingerprint()[24:] + ")"},
		"nobody is trusted":                    {signed.Build(), &rpm.Keyring{}, rpm.NoKey, "is signed by an unknown key"},
		"payload changed":                      {flip(uncompressed.Build(), "hello, world"), trust, rpm.BadDigest, "hello-1.0-1.noarch is damaged: its payload SHA-256 digest does not match"},
		"header changed":                       {flip(uncompressed.Build(), "src.rpm"), trust, rpm.BadDigest, "is damaged: its header SHA-256 digest does not match"},
		"payload not covered":                  {headerOnly.Build(), trust, rpm.Unsigned, "covers its header only"},
		"no digests needed, but these are bad": {flip(uncompressed.Build(), "hello, world"), nil, rpm.BadDigest, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := rpm.Verify(bytes.NewReader(test.data), test.trust)
			var e *rpm.SignatureError
			if !errors.As(err, &e) || e.Problem != test.problem || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error is %v, want %q", err, test.message)
			}
		})
	}
	if _, signer, err := rpm.Verify(bytes.NewReader(somePackage.Build()), nil); err != nil || signer != nil {
		t.Errorf("without a keyring: %v, %v", signer, err)
	}
}

// Who changes a header can make its digests anew, but not the signature.
func TestVerifyForgedHeader(t *testing.T) {
	ours := rpmtest.NewKey(nil)
	signed := somePackage
	signed.Key = ours
	data := signed.Build()
	start, end := 96, bytes.LastIndex(data, []byte{0x8e, 0xad, 0xe8, 1})
	genuine, err := rpm.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	forged := somePackage
	forged.Release = "2"
	forged.Signature = func(h *rpmtest.Header) { h.Binary(268, genuine.Signature.Bytes(268)) }
	_, _, err = rpm.Verify(bytes.NewReader(forged.Build()), keyring(t, ours.Public()))
	if verdict(err) != "has a bad signature" {
		t.Errorf("verdict is %v", err)
	}
	// The signature header of one package in front of another.
	whole := append(append(append([]byte{}, data[:start]...), data[start:end]...), forged.Build()[end:]...)
	if _, _, err = rpm.Verify(bytes.NewReader(whole), keyring(t, ours.Public())); err == nil {
		t.Error("a header went with another's signature")
	}
}

// Every package that is cut short is refused, wherever it was cut.
func TestVerifyTruncated(t *testing.T) {
	p := somePackage
	p.Key = rpmtest.NewKey(nil)
	data, trust := p.Build(), keyring(t, p.Key.Public())
	for n := range data {
		if _, _, err := rpm.Verify(bytes.NewReader(data[:n]), trust); err == nil {
			t.Fatalf("%d bytes of %d were good", n, len(data))
		}
	}
	if _, _, err := rpm.Verify(bytes.NewReader(append(data, 0)), trust); verdict(err) != "is damaged" {
		t.Errorf("a byte too many: %v", err)
	}
}

// Whatever bit of header or payload is changed, the package is refused; in
// front of them, what it says of itself stays the same.
func TestVerifyFlippedBits(t *testing.T) {
	p := somePackage
	p.Key = rpmtest.NewKey(nil)
	data, trust := p.Build(), keyring(t, p.Key.Public())
	header := bytes.LastIndex(data, []byte{0x8e, 0xad, 0xe8, 1})
	for i := range data {
		data[i] ^= 1
		got, _, err := rpm.Verify(bytes.NewReader(data), trust)
		if err == nil && (i >= header || got.NEVRA().String() != "hello-1.0-1.noarch") {
			t.Errorf("byte %d of %d was changed: %v", i, len(data), got.NEVRA())
		}
		data[i] ^= 1
	}
}

func TestKeyringAdd(t *testing.T) {
	a, b := rpmtest.NewKey(nil), rpmtest.NewKey(nil)
	both := append(a.Public(), b.Public()...)
	spaced := strings.ToUpper(a.Fingerprint()[:20] + " " + a.Fingerprint()[20:])
	for name, test := range map[string]struct {
		data []byte
		pins []string
		want []string // fingerprints
		err  string
	}{
		"binary, two":    {both, nil, []string{a.Fingerprint(), b.Fingerprint()}, ""},
		"armored":        {armored(a.Public()), nil, []string{a.Fingerprint()}, ""},
		"armored blocks": {append(append([]byte("# a\r\n"), armored(a.Public())...), armored(b.Public())...), nil, []string{a.Fingerprint(), b.Fingerprint()}, ""},
		"pinned":         {both, []string{spaced}, []string{a.Fingerprint()}, ""},
		"pin is missing": {a.Public(), []string{a.Fingerprint(), b.Fingerprint()}, nil, "key " + b.Fingerprint() + " is not among the keys"},
		"pin is an id":   {a.Public(), []string{a.Fingerprint()[24:]}, nil, "is not among the keys"},
		"empty":          {nil, nil, nil, "reading keys: there are none"},
		"html":           {[]byte("<html>not found</html>"), nil, nil, "reading keys: "},
		"no end":         {armored(a.Public())[:200], nil, nil, "the armor has no end"},
		"cut":            {a.Public()[:100], nil, nil, "reading key"},
		"secret":         {secret(a), nil, nil, "there is a secret key"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &rpm.Keyring{}
			err := k.Add(test.data, test.pins...)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error is %v, want %q", err, test.err)
				}
				return
			}
			var got []string
			for _, key := range k.Keys() {
				got = append(got, key.Fingerprint)
				again := keyring(t, key.Armored())
				if again.Keys()[0].Fingerprint != key.Fingerprint {
					t.Error("armor changed the key")
				}
			}
			if test.want[0] > test.want[len(test.want)-1] {
				test.want[0], test.want[1] = test.want[1], test.want[0]
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
	err := (&rpm.Keyring{}).Add(a.Public(), b.Fingerprint())
	if hints := hint.Of(err); len(hints) != 1 || !strings.Contains(hints[0], a.Fingerprint()) {
		t.Errorf("hints are %q", hints)
	}
	both = append(a.Public(), b.Public()...) // writing the secret key signed it anew
	k := keyring(t, a.Public())
	if err := k.Add(a.Public()); err != nil || len(k.Keys()) != 1 {
		t.Errorf("adding a key again: %v", err)
	}
	if x, y := keyring(t, a.Public(), b.Public()).Digest(), keyring(t, both).Digest(); x != y || x == k.Digest() {
		t.Error("digests do not name sets of keys")
	}
}

func armored(key []byte) []byte {
	var b bytes.Buffer
	w, _ := armor.Encode(&b, "PGP PUBLIC KEY BLOCK", nil)
	w.Write(key)
	w.Close()
	b.WriteByte('\n')
	return b.Bytes()
}

func secret(k *rpmtest.Key) []byte {
	var b bytes.Buffer
	k.Entity.SerializePrivate(&b, nil)
	return b.Bytes()
}

func TestRevokedAndExpiredKeys(t *testing.T) {
	p := somePackage
	revoked := rpmtest.NewKey(nil)
	before := revoked.Public()
	if err := revoked.Entity.Revoke(packet.KeySuperseded, "old", nil); err != nil {
		t.Fatal(err)
	}
	if err := (&rpm.Keyring{}).Add(revoked.Public()); err == nil || !strings.Contains(err.Error(), "it is revoked") {
		t.Errorf("revoked: %v", err)
	}
	if err := keyring(t, before).Add(revoked.Public()); err == nil {
		t.Error("a second version of a key was taken")
	}
	p.Key = rpmtest.NewKey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: 86400})
	if err := (&rpm.Keyring{}).Add(p.Key.Public()); err == nil || !strings.Contains(err.Error(), "it has expired") {
		t.Errorf("expired: %v", err)
	}
}

func TestVerifyDetached(t *testing.T) {
	a, b := rpmtest.NewKey(nil), rpmtest.NewKey(nil)
	data := []byte("<repomd/>")
	trust := keyring(t, a.Public())
	armoredSignature := func(sig []byte) []byte {
		return bytes.ReplaceAll(armored(sig), []byte("PUBLIC KEY BLOCK"), []byte("SIGNATURE"))
	}
	for name, test := range map[string]struct {
		data, signature []byte
		want            string
	}{
		"binary":     {data, a.Sign(data), "good"},
		"armored":    {data, armoredSignature(a.Sign(data)), "good"},
		"of two":     {data, append(b.Sign(data), a.Sign(data)...), "good"},
		"other key":  {data, b.Sign(data), "is signed by an unknown key"},
		"other data": {data[1:], a.Sign(data), "has a bad signature"},
		"sha-1":      {data, (&rpmtest.Key{Entity: rpmtest.RSA().Entity, Hash: crypto.SHA1, V3: true}).Sign(data), "has a signature that is too weak"},
		"nothing":    {data, nil, "is not signed"},
		"not found":  {data, []byte("<html>"), "is not signed"},
		"a key":      {data, a.Public(), "is not signed"},
	} {
		signer, err := trust.VerifyDetached(test.data, test.signature)
		if verdict(err) != test.want {
			t.Errorf("%s: verdict is %q (%v), want %q", name, verdict(err), err, test.want)
		}
		if err == nil && signer.Fingerprint != a.Fingerprint() {
			t.Errorf("%s: signed by %+v", name, signer)
		}
	}
}

// The keys of rpm's own tests, and who of the packages' signers they let in.
// It is what rpm 6.1 says at verification level "all".
func TestCorpusKeys(t *testing.T) {
	rsa := []string{"badima", "signed", "signed-mldsa87", "v3-signed", "v3sig"}
	for name, test := range map[string]struct {
		err  string
		want []string
	}{
		"CVE-2021-3521-badbind.asc":           {"", rsa},
		"CVE-2021-3521-nosubsig-last.asc":     {"", rsa},
		"CVE-2021-3521-nosubsig.asc":          {"", rsa},
		"alice.asc":                           {"", []string{"signed-with-subkey"}},
		"alice-expired-subkey.asc":            {"43253a62850dfadcacd423f11f71177215217ee0 cannot be used: it has expired", nil},
		"alice-revoked-subkey.asc":            {"43253a62850dfadcacd423f11f71177215217ee0 cannot be used: it is revoked", nil},
		"different-creation-times.asc":        {"", nil},
		"keyidcollision1.pub":                 {"", nil},
		"keyidcollision2.pub":                 {"", nil},
		"rpm.org-ed25519-test.pub":            {"", nil},
		"rpm.org-nistp256-test.pub":           {"", nil},
		"rpm.org-rsa-2048-add-subkey.asc":     {"", []string{"badima", "signed", "signed-mldsa87", "signed-with-new-subkey", "v3-signed", "v3sig"}},
		"rpm.org-rsa-2048-test.pub":           {"", rsa},
		"rpm.org-v6-ed25519-test.asc":         {"", nil},
		"rpm.org-v6-rsa4k-test.asc":           {"", nil},
		"type-confusion.asc":                  {"", rsa},
		"unknown/rpm.org-v6-mldsa87-test.asc": {"", []string{"signed-mldsa87"}}, // not every rpm can do it
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(corpus(t, "rpms/rpm/keys", name))
			if err != nil {
				t.Fatal(err)
			}
			k := &rpm.Keyring{}
			err = k.Add(data)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error is %v, want %q", err, test.err)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			var got []string
			paths, _ := filepath.Glob(corpus(t, "rpms/rpm/RPMS/*sign*.rpm"))
			more, _ := filepath.Glob(corpus(t, "rpms/rpm/RPMS/*-v3sig.rpm"))
			ima, _ := filepath.Glob(corpus(t, "rpms/rpm/RPMS/*-badima.rpm"))
			for _, path := range append(ima, append(paths, more...)...) {
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = rpm.Verify(f, k)
				f.Close()
				if err == nil {
					got = append(got, strings.TrimSuffix(path[strings.LastIndex(path, "-1.")+len("-1.x86_64-"):], ".rpm"))
				} else if v := verdict(err); v != "is signed by an unknown key" {
					t.Errorf("%s: %v", path, err)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The two keys have one id. Each is told by its whole fingerprint.
func TestCorpusKeyIDCollision(t *testing.T) {
	k := &rpm.Keyring{}
	for _, name := range []string{"keyidcollision1.pub", "keyidcollision2.pub"} {
		data, err := os.ReadFile(corpus(t, "rpms/rpm/keys", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Add(data); err != nil {
			t.Fatal(err)
		}
	}
	keys := k.Keys()
	if len(keys) != 2 || keys[0].Fingerprint[24:] != keys[1].Fingerprint[24:] || keys[0].Fingerprint == keys[1].Fingerprint {
		t.Errorf("keys are %v", keys)
	}
	data, _ := os.ReadFile(corpus(t, "rpms/rpm/keys/keyidcollision2.pub"))
	if err := (&rpm.Keyring{}).Add(data, keys[0].Fingerprint); err == nil {
		t.Error("the other key of the same id was taken for the pinned one")
	}
}

func TestCorpusDistributionKeys(t *testing.T) {
	paths, _ := filepath.Glob(corpus(t, "gpg-keys/*"))
	if len(paths) == 0 {
		t.Fatal("no keys")
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		k := keyring(t, data)
		if len(k.Keys()) != 1 || !strings.HasPrefix(k.Keys()[0].UserID, "Fedora (") {
			t.Errorf("%s: %v", path, k.Keys())
		}
	}
}

// Packages as they were made over 25 years. The digests are those that rpm
// 4.18 calls good; the signatures are good where rpm 4.18 says so and they
// are not made with SHA-1.
func TestCorpusPackages(t *testing.T) {
	centos7, err := os.ReadFile(corpus(t, "rpms/cavaliergopher/RPM-GPG-KEY-CentOS-7"))
	if err != nil {
		t.Fatal(err)
	}
	trust := keyring(t, centos7)
	for path, want := range map[string][2]string{ // verdicts without and with keys
		"cavaliergopher/centos-release-3.1-1.i386.rpm":                      {"good", "has a signature that is too weak"},
		"cavaliergopher/centos-release-4-0.1.i386.rpm":                      {"good", "has a signature that is too weak"},
		"cavaliergopher/centos-release-5-0.0.el5.centos.2.x86_64.rpm":       {"good", "has a signature that is too weak"},
		"cavaliergopher/centos-release-6-0.el6.centos.5.x86_64.rpm":         {"good", "is signed by an unknown key"},
		"cavaliergopher/centos-release-7-2.1511.el7.centos.2.10.x86_64.rpm": {"good", "good"},
		"cavaliergopher/centos-release-as-2.1AS-4.noarch.rpm":               {"good", "has a signature that is too weak"},
		"cavaliergopher/epel-release-7-5.noarch.rpm":                        {"good", "good"},
		"go-rpmutils/empty-0.1-1.x86_64.rpm":                                {"good", "is not signed"},
		"go-rpmutils/simple-1.0.1-1.i386.rpm":                               {"good", "is not signed"},
		"go-rpmutils/nfpm/test-1.0.0.x86_64.rpm":                            {"good", "is not signed"},
		"rpm/RPMS/hello-1.0-1.ppc64.rpm":                                    {"good", "is not signed"},
		"rpm/RPMS/hello-2.0-1.x86_64-corrupted.rpm":                         {"is damaged", "is damaged"},
		"rpm/RPMS/imatest-1.0-1.fc34.noarch.rpm":                            {"good", "is not signed"},
		"rpm/RPMS/mwe-rpm-lua-problem-1.0.0-1.noarch.rpm":                   {"good", "is signed by an unknown key"},
		"rpm/RPMS/obsolete-foo-1.0-1.noarch.rpm":                            {"good", "is not signed"},
	} {
		data, err := os.ReadFile(corpus(t, "rpms", path))
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range []*rpm.Keyring{nil, trust} {
			if _, _, err := rpm.Verify(bytes.NewReader(data), k); verdict(err) != want[i] {
				t.Errorf("%s: verdict is %q (%v), want %q", path, verdict(err), err, want[i])
			}
		}
	}
}

// What rpm on this machine says of the same packages and keys.
func TestVerifyWithRPM(t *testing.T) {
	if _, err := exec.LookPath("rpmkeys"); err != nil {
		t.Skip("SKIP: rpmkeys is not installed")
	}
	dir := t.TempDir()
	db := "--dbpath=" + filepath.Join(dir, "db")
	trusted, stranger := rpmtest.NewKey(nil), rpmtest.NewKey(nil)
	keys := keyring(t, trusted.Public(), rpmtest.RSA().Public())
	for _, key := range keys.Keys() {
		path := filepath.Join(dir, key.Fingerprint)
		os.WriteFile(path, key.Armored(), 0o644)
		if out, err := exec.Command("rpmkeys", db, "--import", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for name, edit := range map[string]func(*rpmtest.Package){
		"Ed25519":        func(p *rpmtest.Package) { p.Key = trusted },
		"RSA":            func(p *rpmtest.Package) { p.Key = rpmtest.RSA() },
		"SHA-512":        func(p *rpmtest.Package) { p.Key = &rpmtest.Key{Entity: rpmtest.RSA().Entity, Hash: crypto.SHA512} },
		"version 3":      func(p *rpmtest.Package) { p.Key = &rpmtest.Key{Entity: rpmtest.RSA().Entity, V3: true} },
		"legacy":         func(p *rpmtest.Package) { p.Key, p.Legacy = rpmtest.RSA(), true },
		"names stripped": func(p *rpmtest.Package) { p.Key, p.Stripped = trusted, true },
		"unsigned":       func(p *rpmtest.Package) {},
		"other key":      func(p *rpmtest.Package) { p.Key = stranger },
		"no payload digest": func(p *rpmtest.Package) {
			p.Key, p.Header = trusted, func(h *rpmtest.Header) { h.Delete(5092) }
		},
		"wrong payload digest": func(p *rpmtest.Package) {
			p.Key, p.Header = trusted, func(h *rpmtest.Header) { h.Strings(5092, strings.Repeat("0", 64)) }
		},
		"alternative payload digest": func(p *rpmtest.Package) {
			p.Key, p.Compression = trusted, "none"
			p.Header = func(h *rpmtest.Header) {
				right := h.Value(5092)
				h.Strings(5092, strings.Repeat("0", 64))
				h.Set(5097, 8, 1, right)
			}
		},
		"wrong header digest": func(p *rpmtest.Package) {
			p.Key, p.Signature = trusted, func(h *rpmtest.Header) { h.String(273, strings.Repeat("0", 64)) }
		},
		"wrong SHA-1": func(p *rpmtest.Package) {
			p.Key, p.Signature = trusted, func(h *rpmtest.Header) { h.String(269, strings.Repeat("0", 40)) }
		},
		"wrong MD5": func(p *rpmtest.Package) {
			p.Key, p.Signature = trusted, func(h *rpmtest.Header) { h.Binary(1004, make([]byte, 16)) }
		},
		"broken signature": func(p *rpmtest.Package) {
			p.Key, p.Signature = trusted, func(h *rpmtest.Header) { h.Binary(268, []byte("nothing")) }
		},
		"another's signature": func(p *rpmtest.Package) {
			p.Key, p.Signature = trusted, func(h *rpmtest.Header) { h.Binary(268, trusted.Sign(nil)) }
		},
	} {
		p := somePackage
		edit(&p)
		data := p.Build()
		path := filepath.Join(dir, "package.rpm")
		os.WriteFile(path, data, 0o644)
		out, rpmErr := exec.Command("rpmkeys", db, "--define", "_pkgverify_level all", "-Kv", path).CombinedOutput()
		_, _, err := rpm.Verify(bytes.NewReader(data), keys)
		if (err == nil) != (rpmErr == nil) {
			t.Errorf("%s: %v, rpm says:\n%s", name, err, out)
		}
	}
}
