#!/usr/bin/env bash
# Compiles the libraries that a wheel must carry inside itself, as static position-independent
# archives: OpenCV (core, imgproc, imgcodecs), libcurl, OpenSSL, nghttp2, zlib, yaml-cpp, utf8proc,
# giflib and fmt. tools/build_wheel.sh calls it.
#
#   tools/build_static_deps.sh PREFIX
#   cmake -S . -B build -DCMAKE_PREFIX_PATH=PREFIX ...
#
# Why not the distribution's own libraries: its OpenCV pulls in GDAL and some 140 shared objects,
# which other machines have not, and its archives are not built for use in a shared module.
#
# Sources: OpenCV from the source archive of its Python package, by checksum; everything else from
# the distribution's source packages, with its security patches, verified by apt's signatures.
# Runs without root and changes nothing outside PREFIX. A second run builds nothing, also where the
# distribution has a newer source by now: for its security updates delete PREFIX first. JOBS limits
# the number of parallel compilations.
#
# Needs what `tools/setup.sh --wheel` installs, and the network.
set -euo pipefail

readonly OPENCV_REQUIREMENT="opencv-python-headless==4.12.0.88"
readonly OPENCV_SHA256="cfdc017ddf2e59b6c2f53bc12d74b6b0be7ded4ec59083ea70763921af2b6c09"

# Images and answers come from strangers, hence the hardening; sections let the module's linker
# drop what it does not call.
readonly FLAGS="-O2 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"

say() { echo "static deps: $*"; }
die() { say "$*" >&2; exit 1; }

# Runs a command without its output; shows what matters of it when the command fails.
quietly() {
  local log="$WORK/last.log"
  "$@" >"$log" 2>&1 </dev/null && return
  grep -n -i -m 20 -A 3 'error' "$log" >&2 || true
  tail -n 20 "$log" >&2
  die "failed (errors and last lines above): $*"
}

check_tools() {
  local tool missing=()
  for tool in apt-get dpkg-source c++ make cmake ninja perl "$PYTHON"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ "$(uname -m)" != x86_64 ] || command -v nasm >/dev/null || missing+=(nasm)
  [ ${#missing[@]} -eq 0 ] || die "install first: ${missing[*]}"
}

# cmake_install SOURCE OPTION...
cmake_install() {
  local source=$1 build
  shift
  build=$(mktemp -d "$WORK/build.XXXXXX")
  # The policy option is for packages that are older than what CMake 4 accepts.
  quietly cmake -S "$source" -B "$build" -G Ninja -Wno-dev \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PREFIX" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_PREFIX_PATH="$PREFIX" -DCMAKE_POLICY_VERSION_MINIMUM=3.5 \
    -DCMAKE_C_FLAGS="$FLAGS" -DCMAKE_CXX_FLAGS="$FLAGS -fvisibility-inlines-hidden" \
    -DCMAKE_C_FLAGS_RELEASE=-DNDEBUG -DCMAKE_CXX_FLAGS_RELEASE=-DNDEBUG \
    -DCMAKE_C_COMPILER_LAUNCHER="$LAUNCHER" -DCMAKE_CXX_COMPILER_LAUNCHER="$LAUNCHER" \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF "$@"
  quietly cmake --build "$build" -j "$JOBS"
  quietly cmake --install "$build"
  rm -rf "$build"
}

# ---- Where sources come from ----

# An index of source packages of our own, made from the machine's list of mirrors: enabling source
# packages in the system would need root and would outlive this script.
prepare_source_index() {
  [ -z "${APT_CONFIG:-}" ] || return 0
  local apt="$WORK/apt" file
  mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
  for file in /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
    [ ! -f "$file" ] || sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/${file##*/}"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,ubuntu}.list; do
    [ ! -f "$file" ] || sed -nE 's/^deb(-src)?([[:space:]])/deb-src\2/p' "$file" | sort -u \
      >"$apt/parts/${file##*/}.list"
  done
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$apt/parts";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
CONF
  export APT_CONFIG="$apt/apt.conf"
  say "reading the index of source packages"
  quietly apt-get update
}

# Unpacks a source package of the distribution, patches applied, and leaves its folder in SOURCE and
# its version in VERSION. Some mirrors list a security update before they have its source: then the
# one before it is taken, and said.
fetch_from_distribution() {
  local package=$1 folder="$WORK/src/$1" versions
  prepare_source_index
  mkdir -p "$folder"
  versions=$(apt-cache showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort -urV)
  for VERSION in $versions; do
    (cd "$folder" && apt-get source -qq "$package=$VERSION") >"$WORK/last.log" 2>&1 && break
    tail -n 5 "$WORK/last.log" >&2
    say "WARNING: the source of $package $VERSION cannot be had, trying the version before" >&2
    rm -rf "$folder" && mkdir "$folder"
  done
  SOURCE=$(find "$folder" -mindepth 1 -maxdepth 1 -type d)
  [ -n "$SOURCE" ] || die "no source of $package can be had from the distribution's mirrors"
  keep_licence "$package" "$SOURCE/debian/copyright"
}

# pip checks the archive against the hash before it unpacks it; the second check is for archives out
# of its cache. A base image's PIP_CONSTRAINT is about what it runs, not about this.
fetch_opencv() {
  local folder="$WORK/src/opencv" archive
  mkdir -p "$folder"
  echo "$OPENCV_REQUIREMENT --hash=sha256:$OPENCV_SHA256" >"$folder/requirements.txt"
  quietly env -u PIP_CONSTRAINT "$PYTHON" -m pip download --no-deps --require-hashes \
    --no-binary opencv-python-headless -r "$folder/requirements.txt" -d "$folder"
  archive=("$folder"/*.tar.gz)
  echo "$OPENCV_SHA256  ${archive[0]}" | sha256sum --check --status ||
    die "${archive[0]##*/}: not the expected checksum"
  tar -xzf "${archive[0]}" -C "$folder" --strip-components=2 --wildcards '*/opencv/*' \
    --exclude='*/opencv/samples/*'
  rm "${archive[0]}"
  VERSION=${OPENCV_REQUIREMENT#*==}
  SOURCE=$folder
}

# What is linked into the module is handed on with it: its licence goes along.
keep_licence() {
  install -D -m 644 "$2" "$PREFIX/share/licenses/$1/copyright"
}

# ---- How each is built ----

build_zlib() {
  fetch_from_distribution zlib
  say "building zlib $VERSION"
  quietly env -C "$SOURCE" CFLAGS="$FLAGS -DNDEBUG" ./configure --static --prefix="$PREFIX"
  quietly make -C "$SOURCE" -j "$JOBS" libz.a
  install -D -m 644 "$SOURCE/libz.a" "$PREFIX/lib/libz.a"
  install -D -m 644 -t "$PREFIX/include" "$SOURCE/zlib.h" "$SOURCE/zconf.h"
}

# Nothing of it is loaded at run time, and the folder of its configuration is one that no system has:
# another machine's openssl.cnf is for that machine's OpenSSL and the modules beside it.
# What TLS to a web service never asks for is left out. Certificates: http/ca_bundle.cc.
build_openssl() {
  fetch_from_distribution openssl
  say "building OpenSSL $VERSION"
  # shellcheck disable=SC2086  # FLAGS is a list
  quietly env -C "$SOURCE" ./config --prefix="$PREFIX" --libdir=lib \
    --openssldir=/etc/auto_label_image_grounding/openssl \
    no-shared no-module no-dso no-engine no-legacy no-tests no-comp no-ssl3 no-dtls no-srtp no-srp \
    no-cms no-ts no-gost no-aria no-camellia no-seed no-idea no-mdc2 no-whirlpool \
    no-sm2 no-sm3 no-sm4 $FLAGS
  quietly make -C "$SOURCE" -j "$JOBS" build_libs
  quietly make -C "$SOURCE" install_dev
}

build_fmt() {
  fetch_from_distribution fmtlib
  say "building fmt $VERSION"
  cmake_install "$SOURCE" -DFMT_TEST=OFF -DFMT_DOC=OFF
}

build_yaml_cpp() {
  fetch_from_distribution yaml-cpp
  say "building yaml-cpp $VERSION"
  cmake_install "$SOURCE" -DYAML_BUILD_SHARED_LIBS=OFF -DYAML_CPP_BUILD_TESTS=OFF \
    -DYAML_CPP_BUILD_TOOLS=OFF -DYAML_CPP_BUILD_CONTRIB=OFF
}

build_utf8proc() {
  fetch_from_distribution utf8proc
  say "building utf8proc $VERSION"
  cmake_install "$SOURCE" -DUTF8PROC_ENABLE_TESTING=OFF
}

build_giflib() {
  fetch_from_distribution giflib
  say "building giflib $VERSION"
  quietly make -C "$SOURCE" -j "$JOBS" libgif.a CFLAGS="-std=gnu99 $FLAGS -DNDEBUG"
  install -D -m 644 "$SOURCE/libgif.a" "$PREFIX/lib/libgif.a"
  install -D -m 644 "$SOURCE/gif_lib.h" "$PREFIX/include/gif_lib.h"
}

build_nghttp2() {
  fetch_from_distribution nghttp2
  say "building nghttp2 $VERSION"
  cmake_install "$SOURCE" -DENABLE_LIB_ONLY=ON -DENABLE_STATIC_LIB=ON -DENABLE_SHARED_LIB=OFF \
    -DBUILD_STATIC_LIBS=ON -DENABLE_DOC=OFF
  # Named otherwise than what FindNGHTTP2 looks for in some versions.
  [ -f "$PREFIX/lib/libnghttp2.a" ] ||
    mv "$PREFIX/lib/libnghttp2_static.a" "$PREFIX/lib/libnghttp2.a"
}

# HTTP and HTTPS alone. Proxies of every kind stay: data centres have them. No place of certificates
# is built in: the transport looks in those of all distributions (http/ca_bundle.cc), and a default
# that one of them lacks would be an error there. arc4random would need glibc 2.36.
build_curl() {
  fetch_from_distribution curl
  say "building curl $VERSION"
  cmake_install "$SOURCE" -DBUILD_CURL_EXE=OFF -DHTTP_ONLY=ON -DENABLE_IPV6=ON \
    -DENABLE_THREADED_RESOLVER=ON -DENABLE_ARES=OFF -DENABLE_UNIX_SOCKETS=ON \
    -DENABLE_MANUAL=OFF -DENABLE_CURL_MANUAL=OFF -DBUILD_LIBCURL_DOCS=OFF -DBUILD_MISC_DOCS=OFF \
    -DCURL_ENABLE_SSL=ON -DCURL_USE_OPENSSL=ON -DCURL_ZLIB=ON -DUSE_NGHTTP2=ON \
    -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DCURL_USE_LIBPSL=OFF -DUSE_LIBIDN2=OFF \
    -DCURL_USE_LIBSSH=OFF -DCURL_USE_LIBSSH2=OFF -DUSE_LIBRTMP=OFF -DCURL_USE_GSSAPI=OFF \
    -DHAVE_ARC4RANDOM=0 \
    -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none
  grep -q 'nghttp2' "$PREFIX/lib/cmake/CURL/CURLTargets.cmake" || die "curl: built without HTTP/2"
}

# Formats: JPEG, PNG, WebP and TIFF from OpenCV's own copies, BMP built in. On x86-64 the two
# instruction sets beyond the baseline that speed up the resampling code.
build_opencv() {
  fetch_opencv
  say "building OpenCV $VERSION (core, imgproc, imgcodecs)"
  local off option options=("-DBUILD_LIST=core,imgproc,imgcodecs")
  for option in BUILD_JPEG BUILD_PNG BUILD_WEBP BUILD_TIFF WITH_PTHREADS_PF; do
    options+=("-D$option=ON")
  done
  off=(
    BUILD_ZLIB BUILD_TESTS BUILD_PERF_TESTS BUILD_EXAMPLES BUILD_DOCS BUILD_JAVA BUILD_opencv_apps
    BUILD_opencv_python3 BUILD_opencv_python_bindings_generator BUILD_PROTOBUF BUILD_IPP_IW
    BUILD_ITT BUILD_OPENEXR OPENCV_GENERATE_SETUPVARS OPENCV_GENERATE_PKGCONFIG CV_TRACE
    PARALLEL_ENABLE_PLUGINS HIGHGUI_ENABLE_PLUGINS VIDEOIO_ENABLE_PLUGINS
    WITH_1394 WITH_ADE WITH_AVIF WITH_CAROTENE WITH_CUDA WITH_EIGEN WITH_FFMPEG WITH_FLATBUFFERS
    WITH_GDAL WITH_GDCM WITH_GSTREAMER WITH_GTK WITH_HAL_RVV WITH_IMGCODEC_GIF WITH_IMGCODEC_HDR
    WITH_IMGCODEC_PFM WITH_IMGCODEC_PXM WITH_IMGCODEC_SUNRASTER WITH_IPP WITH_ITT WITH_JASPER
    WITH_JPEGXL WITH_KLEIDICV WITH_LAPACK WITH_NDSRVP WITH_OBSENSOR WITH_OPENCL WITH_OPENEXR
    WITH_OPENJPEG WITH_OPENMP WITH_PROTOBUF WITH_QUIRC WITH_SPNG WITH_TBB WITH_V4L WITH_VA
    WITH_VA_INTEL WITH_VTK WITH_ZLIB_NG
  )
  for option in "${off[@]}"; do options+=("-D$option=OFF"); done
  [ "$(uname -m)" != x86_64 ] || options+=("-DCPU_DISPATCH=SSE4_1;AVX2")
  cmake_install "$SOURCE" "${options[@]}"
  # OpenCV's own installation hands on the licences of its other parts, not these two.
  keep_licence opencv "$SOURCE/LICENSE"
  keep_licence libwebp "$SOURCE/3rdparty/libwebp/COPYING"
}

# ---- One after the other ----

# A library is built again when its recipe, the compiler, the flags or OpenCV's pin changed.
build_once() {
  local name=$1 recipe stamp
  recipe=$({ declare -f "build_$name" cmake_install; c++ --version; echo "$FLAGS $OPENCV_SHA256"; } |
    sha256sum)
  stamp="$PREFIX/.stamps/$name-${recipe:0:16}"
  [ ! -f "$stamp" ] || { say "$name is there"; return 0; }
  "build_$name"
  rm -rf "$WORK/src"
  rm -f "$PREFIX/.stamps/$name-"*
  touch "$stamp"
}

main() {
  [ $# -eq 1 ] || die "usage: $0 PREFIX"
  mkdir -p "$1/.stamps"
  PREFIX=$(cd "$1" && pwd)
  JOBS=${JOBS:-$(nproc)}
  PYTHON=${PYTHON:-python3}
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  # Where there is ccache, a deleted PREFIX is soon back. Paths relative to WORK, which is another
  # one each time.
  LAUNCHER=$(command -v ccache || true)
  export CCACHE_BASEDIR=$WORK CCACHE_NOHASHDIR=1
  check_tools
  cd "$WORK"
  local name
  for name in zlib openssl fmt yaml_cpp utf8proc giflib nghttp2 curl opencv; do
    build_once "$name"
  done
  say "ready in $PREFIX"
}

main "$@"
