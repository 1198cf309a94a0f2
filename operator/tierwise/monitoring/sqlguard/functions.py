"""Functions that users' SQL may call. They compute a value from values of the same row, the same at every call.

Functions are left out on purpose if they read a file, a table, a setting, the network, the server or the clock, if they
wait, draw random numbers, or aggregate.
"""

from __future__ import annotations

_TEXT = """
char concat concatWithSeparator empty notEmpty length lengthUTF8 char_length lower lowerUTF8 upper upperUTF8
reverse reverseUTF8 substring substringUTF8 substr mid left right leftPad rightPad trim trimBoth trimLeft
trimRight ltrim rtrim repeat startsWith endsWith position positionCaseInsensitive positionUTF8 locate
countSubstrings multiSearchAny multiSearchAnyCaseInsensitive multiSearchFirstIndex like ilike notLike notILike
match multiMatchAny multiMatchAnyIndex extract extractAll replace replaceOne replaceAll replaceRegexpOne
replaceRegexpAll splitByChar splitByString splitByRegexp format hex unhex bin base64Encode base64Decode
toValidUTF8 initcap translate ascii soundex ngramDistance
"""
_NUMBERS = """
abs ceil ceiling floor round roundBankers roundDown roundToExp2 roundAge roundDuration trunc sign sqrt cbrt
exp exp2 exp10 log ln log2 log10 log1p pow power least greatest min2 max2 intDiv intDivOrZero modulo modulo
positiveModulo moduloOrZero negate plus minus multiply divide gcd lcm bitAnd bitOr bitXor bitNot bitShiftLeft
bitShiftRight bitTest bitCount isFinite isInfinite isNaN ifNotFinite sigmoid erf erfc sin cos tan asin acos
atan atan2 widthBucket
"""
_LOGIC = """
if multiIf and or not xor equals notEquals less greater lessOrEquals greaterOrEquals isNull isNotNull ifNull
nullIf coalesce assumeNotNull toNullable isNullable has hasAll hasAny indexOf transform between
"""
_TYPES = """
CAST cast accurateCast accurateCastOrNull accurateCastOrDefault toString toFixedString toInt8 toInt16 toInt32
toInt64 toInt128 toInt256 toUInt8 toUInt16 toUInt32 toUInt64 toUInt128 toUInt256 toFloat32 toFloat64 toBool
toDecimal32 toDecimal64 toDecimal128 toDate toDate32 toDateTime toDateTime64 toUUID toIPv4 toIPv6
toLowCardinality toInt8OrNull toInt16OrNull toInt32OrNull toInt64OrNull toUInt8OrNull toUInt16OrNull
toUInt32OrNull toUInt64OrNull toFloat32OrNull toFloat64OrNull toDateOrNull toDateTimeOrNull toInt32OrZero
toInt64OrZero toUInt8OrZero toUInt16OrZero toUInt32OrZero toUInt64OrZero toFloat32OrZero toFloat64OrZero
toInt64OrDefault toUInt64OrDefault toTypeName parseDateTimeBestEffort parseDateTimeBestEffortOrNull
parseDateTime64BestEffort Nullable Array LowCardinality Decimal Decimal32 Decimal64 DateTime DateTime64
FixedString Enum8 Enum16 Map Tuple String
"""
_TIME = """
toYear toQuarter toMonth toDayOfYear toDayOfMonth toDayOfWeek toHour toMinute toSecond toUnixTimestamp
toUnixTimestamp64Milli toStartOfYear toStartOfQuarter toStartOfMonth toStartOfWeek toMonday toStartOfDay
toStartOfMillisecond toStartOfSecond fromUnixTimestamp fromUnixTimestamp64Second fromUnixTimestamp64Milli
fromUnixTimestamp64Micro fromUnixTimestamp64Nano toStartOfHour toStartOfMinute toStartOfFiveMinutes
toStartOfTenMinutes toStartOfFifteenMinutes
toStartOfInterval toYYYYMM toYYYYMMDD toISOWeek toISOYear toWeek toTimeZone toTimezone dateDiff date_diff
dateTrunc date_trunc dateAdd dateSub addSeconds addMinutes addHours addDays addWeeks addMonths subtractSeconds
subtractMinutes subtractHours subtractDays subtractWeeks formatDateTime dateName monthName toIntervalSecond
toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek age
"""
_STRUCTURES = """
array tuple map tupleElement arrayElement arrayExists arrayAll arrayCount arrayFilter arrayMap arrayFirst
arrayFirstIndex arrayJoin arrayConcat arraySort arrayReverse arrayDistinct arrayUniq arraySum arrayMin
arrayMax arrayAvg arraySlice arrayStringConcat arrayResize mapContains mapKeys mapValues mapFromArrays JSONHas
JSONLength JSONType JSONExtract JSONExtractString JSONExtractInt JSONExtractUInt JSONExtractFloat
JSONExtractBool JSONExtractRaw JSONExtractArrayRaw JSONExtractKeys JSON_VALUE JSON_QUERY JSON_EXISTS
simpleJSONHas simpleJSONExtractString simpleJSONExtractInt simpleJSONExtractUInt simpleJSONExtractFloat
simpleJSONExtractBool visitParamExtractString visitParamExtractInt isValidJSON
"""
_LOOKUPS = """
dictGet dictGetOrDefault dictGetOrNull dictGetString dictGetStringOrDefault dictGetUInt8 dictGetUInt16
dictGetUInt32 dictGetUInt64 dictGetInt8 dictGetInt16 dictGetInt32 dictGetInt64 dictGetFloat32 dictGetFloat64
dictHas dictGetHierarchy regionToName regionToCountry regionToCity domain domainWithoutWWW topLevelDomain
firstSignificantSubdomain cutToFirstSignificantSubdomain protocol path pathFull queryString fragment
extractURLParameter extractURLParameters cutQueryString IPv4NumToString IPv4StringToNum IPv6NumToString
IPv6StringToNum IPv4CIDRToRange isIPv4String isIPv6String isIPAddressInRange cityHash64 sipHash64 xxHash32
xxHash64 murmurHash3_32 murmurHash3_64 farmHash64 halfMD5 intHash32 intHash64 MD5 SHA1 SHA256 CRC32 bar
toLatLon geoToH3 h3ToString h3GetResolution h3ToParent geohashEncode greatCircleDistance
"""

FUNCTIONS = frozenset(f"{_TEXT} {_NUMBERS} {_LOGIC} {_TYPES} {_TIME} {_STRUCTURES} {_LOOKUPS}".split())
# The first argument of these functions is a function.
_HIGHER_ORDER = """
arrayMap arrayFilter arrayExists arrayAll arrayCount arrayFirst arrayFirstIndex arraySort arraySum arrayMin arrayMax
arrayAvg
"""
HIGHER_ORDER = frozenset(_HIGHER_ORDER.split())
# Words (in lower case) that may be before a parenthesis but are not calls.
_WORDS = """
and or not in between like ilike is then else when case as select distinct from where prewhere having by on using
with interval global end join left right inner any all asc desc limit
"""
KEYWORDS = frozenset(_WORDS.split())
