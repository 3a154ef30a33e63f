// The demo teacher: a stand-in for a vision-language model, so that everything can be tried and
// tested without a key.
#include <httplib.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <opencv2/core.hpp>

#include "chat_api.h"

#include "auto_label_image_grounding/base/json_text.h"

namespace demo {
namespace {

constexpr const char* kAbout =
    R"(A local endpoint that speaks OpenAI's and Gemini's API and looks at the images it is sent.

It is no vision-language model: it finds coloured shapes by their contours, people by OpenCV's HOG
detector and faces by Haar cascades, and reads captions with a few rules of English. It is for trying
the pipeline without a key, not for labels that anybody should train on.)";

struct Options {
  int port = 0;
  std::string port_file;
  std::string api_key;
  std::string requests_log;
  int delay_ms = 0;
  Teaching teaching;
};

httplib::Server* running_server = nullptr;

extern "C" void stop_server(int) {
  if (running_server != nullptr) running_server->stop();
}

class Teacher {
 public:
  explicit Teacher(const Options& options) : options_(options) {
    if (!options.requests_log.empty()) log_.open(options.requests_log, std::ios::app);
  }

  void serve(httplib::Server& server) {
    server.Post("/v1/chat/completions", [this](const httplib::Request& in, httplib::Response& out) {
      if (!has_openai_key(in)) return send(out, wrong_openai_key());
      pause();
      send(out, answer_openai(in.body, options_.teaching));
    });
    // Newer versions of httplib take a "/:" anywhere in a pattern for a parameter of the path.
    server.Post(R"(/v1(?:alpha|beta)/models/([^:/]+):generateContent)",
                [this](const httplib::Request& in, httplib::Response& out) {
                  if (!has_gemini_key(in)) return send(out, wrong_gemini_key());
                  pause();
                  send(out, answer_gemini(in.matches[1].str(), in.body, options_.teaching));
                });
    server.Get("/v1/models", [this](const httplib::Request& in, httplib::Response& out) {
      if (!has_openai_key(in)) return send(out, wrong_openai_key());
      send(out, {200,
                 {{"object", "list"},
                  {"data",
                   nlohmann::ordered_json::array({{{"id", "demo-teacher"}, {"object", "model"}}})}},
                 {}});
    });
    server.Get(R"(/v1(?:alpha|beta)/models/([^:/]+))",
               [this](const httplib::Request& in, httplib::Response& out) {
                 if (!has_gemini_key(in)) return send(out, wrong_gemini_key());
                 send(out, {200, {{"name", "models/" + in.matches[1].str()}}, {}});
               });
  }

 private:
  bool has_openai_key(const httplib::Request& in) const {
    return options_.api_key.empty() ||
           in.get_header_value("Authorization") == "Bearer " + options_.api_key;
  }
  bool has_gemini_key(const httplib::Request& in) const {
    return options_.api_key.empty() || in.get_header_value("x-goog-api-key") == options_.api_key;
  }
  static Reply wrong_openai_key() {
    return {401, openai_error("Incorrect API key provided", "invalid_api_key"), {}};
  }
  static Reply wrong_gemini_key() {
    return {
        400,
        gemini_error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"),
        {}};
  }
  void pause() const { std::this_thread::sleep_for(std::chrono::milliseconds(options_.delay_ms)); }
  void send(httplib::Response& out, const Reply& reply) {
    out.status = reply.status;
    out.set_content(alig::json_text(reply.body), "application/json");
    if (!log_.is_open() || reply.log.is_null()) return;
    const std::lock_guard lock(mutex_);
    log_ << alig::json_text(reply.log) << std::endl;
  }

  const Options& options_;
  std::mutex mutex_;
  std::ofstream log_;
};

int listen(const Options& options) {
  httplib::Server server;
  constexpr std::size_t kConnections = 128;
  server.new_task_queue = [] { return new httplib::ThreadPool(kConnections); };
  server.set_payload_max_length(std::size_t{256} << 20);
  server.set_keep_alive_max_count(1'000'000);
  server.set_tcp_nodelay(true);
  Teacher teacher(options);
  teacher.serve(server);
  const int port = options.port > 0
                       ? (server.bind_to_port("127.0.0.1", options.port) ? options.port : -1)
                       : server.bind_to_any_port("127.0.0.1");
  if (port < 0) {
    std::fprintf(stderr, "error: port %d is not free\n", options.port);
    return 1;
  }
  running_server = &server;
  std::signal(SIGINT, stop_server);
  std::signal(SIGTERM, stop_server);
  std::printf("listening on http://127.0.0.1:%d\n", port);
  std::fflush(stdout);
  if (!options.port_file.empty()) std::ofstream(options.port_file) << port << "\n";
  return server.listen_after_bind() ? 0 : 1;
}

int main_of(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout, "demo-teacher");
  app.add_option("--port", options.port, "Port on 127.0.0.1; 0: any free one, printed");
  app.add_option("--port-file", options.port_file, "The chosen port is written here");
  app.add_option("--api-key", options.api_key, "Requests without this key are refused");
  app.add_option("--requests-log", options.requests_log, "One JSON line per answered request");
  app.add_option("--delay-ms", options.delay_ms, "Wait this long before each answer");
  const std::map<std::string, EyeKind> eyes = {
      {"auto", EyeKind::kAuto}, {"shapes", EyeKind::kShapes}, {"photos", EyeKind::kPhotos}};
  app.add_option("--eyes", options.teaching.eyes, "shapes, photos, or auto")
      ->transform(CLI::CheckedTransformer(eyes, CLI::ignore_case));
  app.add_option("--play", options.teaching.family,
                 "Answer as this model does, whatever model is asked for (default: by name)");
  app.add_option("--refuse", options.teaching.refused_type,
                 "Refuse images of this MIME type, e.g. image/webp");
  CLI11_PARSE(app, argc, argv);
  // Each request has a thread of its own already.
  cv::setNumThreads(1);
  return listen(options);
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) { return demo::main_of(argc, argv); }
