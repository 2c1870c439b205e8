# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`amazon-ssm-agent -register`, -clear, -fingerprint, -version."""

import sys
import time

import appconfig
import applog
import aws_http
import fingerprint
import keys
import vault

USAGE = """\n\nCommand-line Usage:
\t-register
\t\tregister managed instance
\t\t-id         \tSSM activation ID    \t(REQUIRED)
\t\t-code       \tSSM activation code  \t(REQUIRED)
\t\t-region     \tSSM region           \t(REQUIRED)
\t\t-disableSimilarityCheck \tDisable the check of fingerprint similarity \t(OPTIONAL)

\t\tDELETE\t(OPTIONAL)
\t\t-clear  \tClears the previously saved SSM registration
\t-fingerprint
\t\tWhether to update the machine fingerprint similarity threshold\t(OPTIONAL)
\t\t-similarityThreshold\tThe new similarity threshold in the range 1 to 100, or -1 to disable\t(REQUIRED)
\t-version
\t-y \tAnswer yes for all questions
"""
SWITCHES = ("register", "disableSimilarityCheck", "clear", "y", "fingerprint", "version")
VALUES = ("code", "id", "region", "similarityThreshold", "role", "tags")
YES = ("y", "Y", "yes", "Yes", "YES")
NO = ("n", "N", "no", "No", "NO")


class Failure(Exception):
    pass


class BadFlag(Exception):
    pass


def usage():
    sys.stderr.write(USAGE)
    return 1


def parse(arguments):
    """Parse as Go's flag package does: one dash or two, `-flag value` or `-flag=value`, stop at the first non-flag."""
    flags, rest = {}, list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--" or not word.startswith("-") or word == "-":
            break
        name, equals, value = word[1:].partition("=")
        name = name[1:] if name.startswith("-") else name
        if name in SWITCHES:
            if equals and value not in ("true", "false", "1", "0", "t", "f"):
                raise BadFlag(f'invalid boolean value "{value}" for -{name}')
            flags[name] = value not in ("false", "0", "f") if equals else True
        elif name in VALUES:
            if not equals:
                if not rest:
                    raise BadFlag("flag needs an argument: -" + name)
                value = rest.pop(0)
            flags[name] = value
        else:
            raise BadFlag("flag provided but not defined: -" + name)
    return flags


def banner():
    print("Error occurred fetching the seelog config file path:  open /etc/amazon/ssm/seelog.xml: no such file")
    print("Initializing new seelog logger\nNew Seelog Logger Creation Complete", flush=True)


def run(flags):
    if flags.get("version"):
        print("SSM Agent version: " + appconfig.VERSION)
        return 0
    if flags.get("register"):
        if flags.get("code") and flags.get("id") and flags.get("region"):
            banner()
            return register(flags, applog.Log())
        if flags.get("clear"):
            banner()
            return clear(applog.Log())
        return usage()
    if flags.get("fingerprint") and "similarityThreshold" in flags:
        banner()
        return threshold(flags["similarityThreshold"], applog.Log())
    return usage()


def threshold(text, log):
    try:
        fingerprint.set_threshold(int(text))
    except (OSError, ValueError) as error:
        log.error("Error setting the SimilarityThreshold. %s", error)
        return 1
    log.info("Fingerprint Similarity Threshold set to %s", text)
    return 0


def clear(log):
    try:
        vault.save_registration("", "", "", "")
        fingerprint.clear()
    except OSError as error:
        log.error("error clearing the instance registration. %s\nTry running as sudo/administrator.", error)
        return 1
    log.info("Registration information has been removed from the instance.")
    return 0


def confirm():
    print(
        "\nInstance already registered. Would you like to override existing with new registration information?"
        " [Yes/No]: ",
        end="",
        flush=True,
    )
    line = sys.stdin.readline()
    if not line:
        raise Failure("EOF")
    words = line.split()
    if not words:
        raise Failure("unexpected newline")
    if words[0] in YES:
        return True
    if words[0] in NO:
        return False
    raise Failure("Invalid response received.")


def register(flags, log):
    try:
        if vault.registration() and not flags.get("y") and not confirm():
            log.info("Registration canceled by user")
            return 1
        instance_id = _register(flags, log)
    except Failure as error:
        log.error("Registration failed due to %s", error)
        return 1
    log.info("Successfully registered the instance with AWS SSM using Managed instance-id: %s", instance_id)
    return 0


def _validate(flags):
    wanted = (("ActivationCode", flags["code"], 20), ("ActivationId", flags["id"], 36))
    found = [
        f"- minimum field size of {size}, RegisterManagedInstanceInput.{name}.\n"
        for name, value, size in wanted
        if len(value) < size
    ]
    if found:
        raise Failure(
            f"error registering the instance with AWS SSM. InvalidParameter: {len(found)} validation error(s) found.\n"
            + "".join(found)
        )


def _register(flags, log):
    private_key, public_key = keys.generate()
    try:
        # The agent tests its write access this way: from here on the former identity is gone.
        vault.save_registration("", "", private_key, "Rsa")
        if flags.get("disableSimilarityCheck"):
            fingerprint.set_threshold(-1)
        uuid = fingerprint.current(log)
    except OSError as error:
        raise Failure(
            f"Unable to save registration information. {error}\nTry running as sudo/administrator."
        ) from error
    _validate(flags)
    payload = {
        "ActivationCode": flags["code"],
        "ActivationId": flags["id"],
        "Fingerprint": uuid,
        "PublicKey": public_key,
        "PublicKeyType": "Rsa",
    }
    answer = _call(appconfig.Config().endpoint("ssm", flags["region"]), payload)
    instance_id = answer["InstanceId"]
    vault.save_registration(instance_id, flags["region"], private_key, "Rsa")
    vault.write_file(appconfig.REGISTRATION, vault.dump({"ManagedInstanceID": instance_id, "Region": flags["region"]}))
    return instance_id


def _call(url, payload):
    def unsigned(_method, _url, headers, _body):
        return dict(headers, **{"User-Agent": appconfig.user_agent()})

    for attempt in range(5):
        try:
            return aws_http.json_call(url, "AmazonSSM.RegisterManagedInstance", payload, unsigned)
        except (aws_http.AwsError, aws_http.RequestFailed) as error:
            raise Failure(f"error registering the instance with AWS SSM. {error}") from error
        except ValueError as error:  # an answer that is no AWS answer
            if attempt == 4:
                raise Failure(f"error registering the instance with AWS SSM. SerializationError: {error}") from error
        time.sleep(2**attempt)
    raise AssertionError("unreachable")
