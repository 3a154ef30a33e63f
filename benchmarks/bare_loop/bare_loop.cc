// The physical limit: a curl_multi loop on one thread that sends the same bytes over the same
// connections and throws the answers away. No JSON is read, nothing is written, nothing is decided.
//
// --prepared   every body is ready in memory before the clock starts: nothing but sending
// (default)    each picture is read from its file and encoded for each request, as the task needs
// it
#include <curl/curl.h>
#include <openssl/evp.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace bench {
namespace {

struct Options {
  std::string url, folder, head, tail;
  int requests = 0;
  int in_flight = 1;
  bool prepared = false;
};

std::string read_whole(const std::filesystem::path& path) {
  std::string out(std::filesystem::file_size(path), '\0');
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::setvbuf(file, nullptr, _IONBF, 0);  // one read(), straight into `out`
  const std::size_t got = std::fread(out.data(), 1, out.size(), file);
  std::fclose(file);
  if (got != out.size()) throw std::runtime_error("cannot read " + path.string());
  return out;
}

void append_base64(const std::string& bytes, std::string& out) {
  const std::size_t begin = out.size();
  const std::size_t encoded = (bytes.size() + 2) / 3 * 4;
  out.resize(begin + encoded + 1);  // EVP_EncodeBlock writes a NUL behind its output
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data() + begin),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  out.resize(begin + encoded);
}

std::size_t throw_away(char*, std::size_t size, std::size_t count, void*) { return size * count; }

class BareLoop {
 public:
  explicit BareLoop(const Options& options)
      : options_(options),
        head_(read_whole(options.head)),
        tail_(read_whole(options.tail)),
        multi_(curl_multi_init()) {
    for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
      pictures_.push_back(entry.path());
    }
    if (options.prepared) {
      for (const auto& path : pictures_) prepared_.push_back(body_of(path));
    }
    headers_ = curl_slist_append(nullptr, "Content-Type: application/json");
    headers_ = curl_slist_append(headers_, "Expect:");
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options.in_flight));
  }

  void run() {
    bodies_.resize(static_cast<std::size_t>(options_.in_flight));
    for (int i = 0; i < options_.in_flight && sent_ < options_.requests; ++i) {
      start(curl_easy_init(), static_cast<std::size_t>(i));
    }
    int running = 1;
    while (running > 0) {
      curl_multi_perform(multi_, &running);
      collect(running);
      if (running > 0) curl_multi_poll(multi_, nullptr, 0, 100, nullptr);
    }
  }
  int failures() const { return failures_; }

 private:
  std::string body_of(const std::filesystem::path& path) const {
    std::string body = head_;
    append_base64(read_whole(path), body);
    return body + tail_;
  }

  void start(CURL* easy, std::size_t slot) {
    const std::size_t picture = static_cast<std::size_t>(sent_) % pictures_.size();
    ++sent_;
    const std::string* body = &bodies_[slot];
    if (options_.prepared) {
      body = &prepared_[picture];
    } else {
      bodies_[slot] = body_of(pictures_[picture]);
    }
    curl_easy_setopt(easy, CURLOPT_URL, options_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, throw_away);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, reinterpret_cast<void*>(slot));
    curl_multi_add_handle(multi_, easy);
  }

  void collect(int& running) {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      CURL* easy = message->easy_handle;
      void* slot = nullptr;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      failures_ += message->data.result == CURLE_OK && status == 200 ? 0 : 1;
      curl_multi_remove_handle(multi_, easy);
      if (sent_ < options_.requests) {
        start(easy, reinterpret_cast<std::size_t>(slot));
        running = 1;
      } else {
        curl_easy_cleanup(easy);
      }
    }
  }

  const Options& options_;
  std::string head_, tail_;
  CURLM* multi_;
  curl_slist* headers_ = nullptr;
  std::vector<std::filesystem::path> pictures_;
  std::vector<std::string> prepared_, bodies_;
  int sent_ = 0, failures_ = 0;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int measure(const Options& options) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  BareLoop loop(options);
  const double cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  loop.run();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("{\"seconds\": %.4f, \"cpu_seconds\": %.4f, \"failures\": %d}\n", seconds,
              cpu_seconds() - cpu_before, loop.failures());
  return loop.failures() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Options options;
  CLI::App app("A bare curl_multi loop, to compare with.");
  app.add_option("--url", options.url)->required();
  app.add_option("--pictures", options.folder, "Folder of pictures, sent in turn")->required();
  app.add_option("--head", options.head, "File: the body up to the picture")->required();
  app.add_option("--tail", options.tail, "File: the body behind the picture")->required();
  app.add_option("--requests", options.requests)->required();
  app.add_option("--in-flight", options.in_flight)->required();
  app.add_flag("--prepared", options.prepared, "Bodies are made before the clock starts");
  CLI11_PARSE(app, argc, argv);
  return bench::measure(options);
}
