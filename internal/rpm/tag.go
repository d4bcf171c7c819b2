package rpm

// A Tag names a value in a header. Their numbers are rpm's:
// https://rpm.org/docs/latest/manual/tags.html.
type Tag uint32

// Tags of both headers.
const (
	tagHeaderSignatures Tag = 62 // region of the signature header
	tagHeaderImmutable  Tag = 63 // region of the header
	tagHeaderImage      Tag = 61 // found as the region trailer of old signature headers
	tagI18NTable        Tag = 100
)

// Tags of the signature header. From 1000 on they mean something else in the header proper.
const (
	sigDSA      Tag = 267  // binary: OpenPGP signature of the header
	sigRSA      Tag = 268  // the same; DSA and RSA are only the names
	sigSHA1     Tag = 269  // hex, of the header
	sigSHA256   Tag = 273  // hex, of the header
	sigOpenPGP  Tag = 278  // base64, each an OpenPGP signature of the header
	sigSHA3     Tag = 279  // hex, SHA3-256 of the header
	sigReserved Tag = 999  // with sigSHA3 the mark of a v6 package
	sigPGP      Tag = 1002 // binary: OpenPGP signature of header and payload
	sigMD5      Tag = 1004 // binary, of header and payload
	sigGPG      Tag = 1005 // as sigPGP
)

// Tags of the header proper that others ask for.
const (
	Name        Tag = 1000
	Version     Tag = 1001
	Release     Tag = 1002
	Epoch       Tag = 1003
	Summary     Tag = 1004
	Description Tag = 1005
	BuildTime   Tag = 1006
	BuildHost   Tag = 1007
	Size        Tag = 1009 // of the files, bytes; see LongSize
	Vendor      Tag = 1011
	License     Tag = 1014
	Packager    Tag = 1015
	Group       Tag = 1016
	URL         Tag = 1020
	Arch        Tag = 1022
	SourceRPM   Tag = 1044
	ArchiveSize Tag = 1046
	LongSize    Tag = 5009 // instead of Size from 4 GiB on
)

// Dependencies are three arrays each.
const (
	ProvideName       Tag = 1047
	RequireFlags      Tag = 1048
	RequireName       Tag = 1049
	RequireVersion    Tag = 1050
	ConflictFlags     Tag = 1053
	ConflictName      Tag = 1054
	ConflictVersion   Tag = 1055
	ObsoleteName      Tag = 1090
	ProvideFlags      Tag = 1112
	ProvideVersion    Tag = 1113
	ObsoleteFlags     Tag = 1114
	ObsoleteVersion   Tag = 1115
	RecommendName     Tag = 5046
	RecommendVersion  Tag = 5047
	RecommendFlags    Tag = 5048
	SuggestName       Tag = 5049
	SuggestVersion    Tag = 5050
	SuggestFlags      Tag = 5051
	SupplementName    Tag = 5052
	SupplementVersion Tag = 5053
	SupplementFlags   Tag = 5054
	EnhanceName       Tag = 5055
	EnhanceVersion    Tag = 5056
	EnhanceFlags      Tag = 5057
)

// Tags of the file list and of what verification needs.
const (
	tagOldFileNames   Tag = 1027
	tagFileSizes      Tag = 1028
	tagFileModes      Tag = 1030
	tagFileRdevs      Tag = 1033
	tagFileMTimes     Tag = 1034
	tagFileDigests    Tag = 1035
	tagFileLinkTos    Tag = 1036
	tagFileFlags      Tag = 1037
	tagFileUserName   Tag = 1039
	tagFileGroupName  Tag = 1040
	tagNoSource       Tag = 1051
	tagNoPatch        Tag = 1052
	tagFileDevices    Tag = 1095
	tagFileInodes     Tag = 1096
	tagFileLangs      Tag = 1097
	tagSourcePackage  Tag = 1106
	tagDirIndexes     Tag = 1116
	tagBaseNames      Tag = 1117
	tagDirNames       Tag = 1118
	tagFileColors     Tag = 1140
	tagLongFileSizes  Tag = 5008
	tagFileCaps       Tag = 5010
	tagFileDigestAlgo Tag = 5011
	tagPayloadSHA256  Tag = 5092 // of the payload as it is
	tagPayloadSHA256A Tag = 5097 // of the uncompressed payload
	tagPayloadSHA512  Tag = 5121
	tagPayloadSHA512A Tag = 5122
	tagPayloadSHA3    Tag = 5123
	tagPayloadSHA3A   Tag = 5124
)
