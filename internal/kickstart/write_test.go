package kickstart

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/respin-project/respin/internal/manifest"
)

// said compares what kickstarts say, not where or in which files.
var said = cmp.Options{
	cmp.AllowUnexported(Option{}),
	cmpopts.IgnoreUnexported(Kickstart{}, Command{}),
	cmpopts.IgnoreTypes(Place{}),
	cmpopts.IgnoreFields(Kickstart{}, "Path", "Declared", "Sources", "Warnings", "Unresolved"),
}

// roundTrip checks that the canonical form says the same, and that the
// flattened one is stable.
func roundTrip(t *testing.T, k *Kickstart) {
	t.Helper()
	text := k.Canonical()
	again, err := Restore(&manifest.Kickstart{Path: k.Path, Syntax: string(k.Syntax), Text: text})
	if err != nil {
		t.Fatalf("the canonical form is refused: %v\n%s", err, text)
	}
	if diff := cmp.Diff(k, again, said); diff != "" {
		t.Errorf("the canonical form says something else: %s\n%s", diff, text)
	}
	if again.Canonical() != text {
		t.Errorf("the canonical form is not stable: %s", cmp.Diff(text, again.Canonical()))
	}
	m := k.Manifest()
	restored, err := Restore(m)
	if err != nil {
		t.Fatalf("the flattened text is refused: %v", err)
	}
	if diff := cmp.Diff(m, restored.Manifest()); diff != "" {
		t.Errorf("the flattened text is not stable: %s", diff)
	}
	if diff := cmp.Diff(k, restored, said); diff != "" {
		t.Errorf("the flattened text says something else: %s", diff)
	}
}

func TestCanonical(t *testing.T) {
	k := mustParse(t, "F43", `#version=F41
# a comment
%post --erroronfail --log /root/log
  echo "a
%end
repo  --name "a b" --baseurl='http://x/?a=$b#c' # comment
mount /dev/vda1 --reformat=ext4 /boot
mount /dev/vda2 / --mountoptions="-o \"x\"" --reformat
user --plaintext --name=a --password ""
rootpw -- --dashed
snapshot --name=s --when=Post-Install a/b
%packages --nocore --timeout=3
-@b
@a --optional
@^c
z
-y
%end
%addon com_x 'a b' --c
%end
%certificate --filename=c.pem --dir=/d
x
%end
`)
	const want = `#version=F43
repo --name="a b" --baseurl="http://x/?a=$b#c"
mount /dev/vda1 /boot --reformat=ext4
mount /dev/vda2 / --mountoptions="-o \"x\"" --reformat
user --plaintext --name=a --password=
rootpw -- --dashed
snapshot a/b --name=s --when=post-install

%packages --nocore --timeout=3
-@b
@^c
@a --optional
z
-y
%end

%certificate --filename=c.pem --dir=/d
x
%end

%addon com_x "a b" --c
%end

%post --erroronfail --log=/root/log
  echo "a
%end
`
	if diff := cmp.Diff(want, k.Canonical()); diff != "" {
		t.Error(diff)
	}
	roundTrip(t, k)
}

func TestCorpusRoundTrip(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t), "kickstarts/*/*.ks"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no kickstarts: %v", err)
	}
	for _, file := range files {
		k, err := new(Loader).Load(context.Background(), file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		roundTrip(t, k)
	}
}

// The parser survives anything, and what it accepts it can write.
func FuzzKickstart(f *testing.F) {
	for _, text := range []string{
		"part / --size=1\n%packages\n@^a\n-b\n%end\n",
		"bootloader --append=\"a \\\nb\"\n%post --nochroot\n%include x\n%end\n",
		"#version=F41\nmount a / --reformat=\nrootpw -- -x\n%addon a 'b'\nc\n%end\n",
		"%certificate --filename=a --type=b\n%end\n%pre\n \n%end\nrealm join a\n",
		"%packages --inst-langs= --timeout=-1\n@ a --optional\n-@^a b\n- c d\n%end\n",
	} {
		f.Add(text, uint8(0))
	}
	all := Syntaxes()
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		k, err := Restore(&manifest.Kickstart{Path: "x.ks", Syntax: string(all[int(n)%len(all)]), Text: text})
		if err == nil {
			roundTrip(t, k)
		}
	})
}
